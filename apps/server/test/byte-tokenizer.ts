import type { Tokenizer } from '@cria/tokenizer';

/** Letters and bytes: ids below 256 are bytes, so any text works and random ids make lively text. */
export const byteTokenizer: Tokenizer = {
  vocabSize: 258,
  bosId: 256,
  eosId: 257,
  unkId: undefined,
  padId: undefined,
  specialTokens: new Map(),
  fingerprint: '0'.repeat(32),
  encode: (text, options = {}) =>
    Int32Array.from([...(options.addBos ? [256] : []), ...new TextEncoder().encode(text)]),
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
