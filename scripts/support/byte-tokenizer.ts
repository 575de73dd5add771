const BOS = 256;
const EOS = 257;

const bytesOf = (text: string) => new TextEncoder().encode(text);
const isByte = (id: number) => id < 256;

interface EncodeOptions {
  readonly addBos?: boolean;
  readonly addEos?: boolean;
}

/** Ids 0 to 255 are bytes: the smallest real `Tokenizer`, and one whose random texts are full of broken UTF-8. */
export const byteTokenizer = {
  vocabSize: 258,
  bosId: BOS,
  eosId: EOS,
  unkId: undefined,
  padId: undefined,
  specialTokens: new Map([
    ['<s>', BOS],
    ['</s>', EOS],
  ]),
  addsBos: true,
  addsEos: false,
  fingerprint: '0'.repeat(32),
  encode: (text: string, { addBos = false, addEos = false }: EncodeOptions = {}): Int32Array =>
    // Not `of`, whose arguments must fit the stack.
    Int32Array.from([...(addBos ? [BOS] : []), ...bytesOf(text), ...(addEos ? [EOS] : [])]),
  encodeBatch: (texts: readonly string[], options?: EncodeOptions): Int32Array[] =>
    texts.map((text) => byteTokenizer.encode(text, options)),
  countTokens: (text: string): number => bytesOf(text).length,
  decode: (ids: ArrayLike<number>): string =>
    new TextDecoder().decode(Uint8Array.from(Array.from(ids).filter(isByte))),
  decodeStream: () => {
    const decoder = new TextDecoder();
    return {
      push: (id: number): string => (isByte(id) ? decoder.decode(Uint8Array.of(id), { stream: true }) : ''),
      end: (): string => decoder.decode(),
    };
  },
  encodeWithOffsets: (): never => {
    throw new Error('not needed here');
  },
  idToPiece: (id: number): string => `<${id}>`,
  pieceToId: (): undefined => undefined,
  tokenBytes: (id: number): Uint8Array => (isByte(id) ? Uint8Array.of(id) : new Uint8Array()),
};
