import type { Tokenizer } from '@cria/tokenizer';

const BOS = 256;
const EOS = 257;

/** Ids 0 to 255 are bytes: the smallest real tokenizer, and one whose random texts are full of broken UTF-8. */
export const byteTokenizer: Tokenizer = {
  vocabSize: 258,
  bosId: BOS,
  eosId: EOS,
  unkId: undefined,
  padId: undefined,
  specialTokens: new Map([
    ['<s>', BOS],
    ['</s>', EOS],
  ]),
  fingerprint: '0'.repeat(32),
  encode: (text, options = {}) => {
    const bytes = new TextEncoder().encode(text);
    return Int32Array.of(...(options.addBos ? [BOS] : []), ...bytes, ...(options.addEos ? [EOS] : []));
  },
  encodeBatch: (texts, options) => texts.map((text) => byteTokenizer.encode(text, options)),
  countTokens: (text) => new TextEncoder().encode(text).length,
  decode: (ids) => new TextDecoder().decode(Uint8Array.from(Array.from(ids).filter((id) => id < 256))),
  decodeStream: () => {
    const decoder = new TextDecoder();
    return {
      push: (id) => (id < 256 ? decoder.decode(Uint8Array.of(id), { stream: true }) : ''),
      end: () => decoder.decode(),
    };
  },
  encodeWithOffsets: () => {
    throw new Error('not needed here');
  },
  idToPiece: (id) => `<${id}>`,
  pieceToId: () => undefined,
  tokenBytes: (id) => (id < 256 ? Uint8Array.of(id) : new Uint8Array()),
};
