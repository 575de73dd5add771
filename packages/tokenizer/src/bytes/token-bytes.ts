/** The bytes of every id of a byte-level vocabulary, in one pool. */
import { failure } from '../errors.ts';
import { TokenJoiner } from './token-joiner.ts';

const MAX_TOKEN_BYTES = 1 << 16;

export class TokenBytes {
  readonly pool: Uint8Array;
  readonly offsets: Int32Array;
  readonly size: number;
  /** Made by the first `join`. */
  #joiner: TokenJoiner | undefined;

  /** Token i is pool[offsets[i] .. offsets[i + 1]). An id without a token is empty. */
  constructor(pool: Uint8Array, offsets: Int32Array) {
    this.pool = pool;
    this.offsets = offsets;
    this.size = offsets.length - 1;
  }

  static from(tokens: readonly Uint8Array[]): TokenBytes {
    const offsets = new Int32Array(tokens.length + 1);
    tokens.forEach((token, i) => {
      if (token.length > MAX_TOKEN_BYTES)
        throw failure('readVocabulary', `token ${i} has ${token.length} bytes`, 'the file is damaged');
      offsets[i + 1] = offsets[i] + token.length;
    });
    const pool = new Uint8Array(offsets[tokens.length]);
    tokens.forEach((token, i) => pool.set(token, offsets[i]));
    return new TokenBytes(pool, offsets);
  }

  length(id: number): number {
    return this.offsets[id + 1] - this.offsets[id];
  }

  bytes(id: number): Uint8Array {
    return this.pool.slice(this.offsets[id], this.offsets[id + 1]);
  }

  copy(id: number, target: Uint8Array, at: number): void {
    const { pool, offsets } = this;
    for (let from = offsets[id]; from < offsets[id + 1]; from++) target[at++] = pool[from];
  }

  /**
   * The bytes of a list of ids one after the other, as a view that lasts until the next call; ids
   * marked in `skip` are left out.
   */
  join(ids: ArrayLike<number>, skip: Uint8Array | undefined): Uint8Array {
    return (this.#joiner ??= new TokenJoiner(this.pool, this.offsets)).join(ids, skip);
  }
}
