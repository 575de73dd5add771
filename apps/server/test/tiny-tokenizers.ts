import type { Tokenizer } from '@cria/tokenizer';
import { byteTokenizer } from '../../../scripts/support/byte-tokenizer.ts';

/** Encodes short texts only: the long ones are another thread's. */
const wordy: Tokenizer = {
  ...byteTokenizer,
  encode(text, options) {
    if (text.length > 1000) throw new TypeError('a long text on the thread of HTTP');
    return byteTokenizer.encode(text, options);
  },
};

const cursed: Tokenizer = {
  ...byteTokenizer,
  encode() {
    throw new TypeError('a bug');
  },
};

/**
 * The vocabulary of the HTTP thread, by the name of the model: `cursed` throws at every prompt,
 * `wordy` encodes no long text.
 */
export function tinyTokenizer({ model }: { readonly model: string }): Promise<Tokenizer> {
  return Promise.resolve({ cursed, wordy }[model] ?? byteTokenizer);
}
