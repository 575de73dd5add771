import { fail } from '@cria/tensor';
import type { VocabularyFormat } from '@cria/tokenizer';
import { saveTokenizer } from '@cria/tokenizer/node';
import { command } from '../../command.ts';
import { inputFlags, tokenizerOfFlag } from './input.ts';

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
      type: 'string',
      value: 'FILE',
      help: 'the format follows from its name: .json, .gguf, .bin, .model',
    },
    format: { type: 'string', value: 'NAME', help: formats.join(', ') },
  },
  async run({ values }, { out }) {
    const { out: path, format } = values;
    if (path === undefined)
      fail('cria tokenizer convert', '--out is missing.', 'name a file such as tokenizer.json');
    const chosen = formats.find((known) => known === format);
    if (format !== undefined && chosen === undefined)
      fail('cria tokenizer convert', `--format is "${format}".`, `known are ${formats.join(', ')}`);
    const tokenizer = await tokenizerOfFlag('tokenizer convert', values.tokenizer);
    await saveTokenizer(path, tokenizer, chosen === undefined ? {} : { format: chosen });
    out.write(`${path}  ${tokenizer.vocabSize} pieces  ${tokenizer.fingerprint}\n`);
  },
});
