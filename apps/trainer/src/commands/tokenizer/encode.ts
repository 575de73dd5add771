import { loadTokenizer } from '@cria/tokenizer/node';
import { command } from '../../command.ts';
import { inputFlags, textsOf } from './input.ts';

/** Texts to ids, one line a text. */
export const tokenizerEncode = command({
  summary: 'turn texts into token ids',
  usage: 'cria tokenizer encode --tokenizer tokenizer.model --text "a llama" [--pieces]',
  flags: {
    ...inputFlags,
    bos: { takes: 'nothing', help: 'begin with the beginning-of-sequence token' },
    eos: { takes: 'nothing', help: 'end with the end-of-sequence token' },
    special: { takes: 'nothing', help: 'read special tokens in the text as such' },
    pieces: { takes: 'nothing', help: 'a line a token: id, byte range, piece' },
    count: { takes: 'nothing', help: 'only the number of tokens' },
  },
  async run({ values, words }, { out }) {
    const tokenizer = await loadTokenizer(values.tokenizer);
    const options = {
      addBos: values.bos ?? false,
      addEos: values.eos ?? false,
      allowedSpecial: values.special ? 'all' : 'none',
    } as const;
    // A line a text in every form, so that outputs can be joined.
    for (const { text } of textsOf('tokenizer encode', values.text, words)) {
      if (values.pieces) {
        const { ids, byteStart, byteEnd } = tokenizer.encodeWithOffsets(text, options);
        const lines = Array.from(
          ids,
          (id, i) =>
            `${String(id).padStart(7)}  ${`${byteStart[i]}..${byteEnd[i]}`.padEnd(13)}  ${tokenizer.idToPiece(id)}\n`,
        );
        out.write(lines.join(''));
        continue;
      }
      const ids = tokenizer.encode(text, options);
      out.write(`${values.count ? ids.length : ids.join(' ')}\n`);
    }
  },
});
