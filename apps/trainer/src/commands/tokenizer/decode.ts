import { readFileSync } from 'node:fs';
import { fail } from '@cria/tensor';
import { loadTokenizer } from '@cria/tokenizer/node';
import { command } from '../../command.ts';
import { inputFlags } from './input.ts';

/** Ids back to a text. */
export const tokenizerDecode = command({
  summary: 'turn token ids into text',
  usage: 'cria tokenizer decode --tokenizer tokenizer.model 1 306 4658',
  flags: {
    tokenizer: inputFlags.tokenizer,
    'skip-special': { takes: 'nothing', help: 'leave special tokens out of the text' },
  },
  async run({ values, words }, { out }) {
    const tokenizer = await loadTokenizer(values.tokenizer);
    const source = words.length > 0 ? words.join(' ') : readFileSync(0, 'utf8');
    // As `encode` prints them, or a list in JSON.
    const ids = source
      .split(/[\s,[\]]+/)
      .filter(Boolean)
      .map((word) => {
        if (!/^\d+$/.test(word))
          fail(
            'cria tokenizer decode',
            `"${word}" is no token id.`,
            'ids are whole numbers, as encode prints them',
          );
        return Number(word);
      });
    out.write(`${tokenizer.decode(ids, values['skip-special'] ? { skipSpecialTokens: true } : {})}\n`);
  },
});
