import type { VocabularyFormat } from '@cria/tokenizer';
import { loadTokenizer, saveTokenizer } from '@cria/tokenizer/node';
import { command } from '../../command.ts';
import { inputFlags } from './input.ts';

/** Every format that can be written. */
const formats = [
  'sentencepiece',
  'tiktoken',
  'tokenizer.json',
  'gguf',
  'llama2c',
] as const satisfies readonly VocabularyFormat[];

/** One vocabulary format into another, where that loses nothing. */
export const tokenizerConvert = command({
  summary: 'write a tokenizer in another format, where nothing is lost',
  usage: 'cria tokenizer convert --tokenizer tokenizer.model --out tokenizer.json',
  flags: {
    tokenizer: inputFlags.tokenizer,
    out: {
      takes: 'text',
      value: 'FILE',
      help: 'the format follows from its name: .json, .gguf, .bin, .model',
      required: 'name a file such as tokenizer.json',
    },
    format: { takes: formats, help: '', otherwise: 'by the name of --out' },
  },
  async run({ values }, { out }) {
    const { out: path, format } = values;
    const tokenizer = await loadTokenizer(values.tokenizer);
    await saveTokenizer(path, tokenizer, format === undefined ? {} : { format });
    out.write(`${path}  ${tokenizer.vocabSize} pieces  ${tokenizer.fingerprint}\n`);
  },
});
