import { servePrompts } from '../src/prompt-encoder.ts';
import { byteTokenizer } from '../../../scripts/support/byte-tokenizer.ts';

// The thread that encodes long texts, slowly. Runs of spaces are one space; a text that begins with
// `!` cannot be encoded, and `!!` ends the thread.
await servePrompts(() =>
  Promise.resolve({
    ...byteTokenizer,
    encode(text, options) {
      if (text.startsWith('!!')) process.exit(4);
      if (text.startsWith('!')) throw new TypeError('a bug in the tokenizer');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
      return byteTokenizer.encode(text.replace(/ +/g, ' '), options);
    },
  }),
);
