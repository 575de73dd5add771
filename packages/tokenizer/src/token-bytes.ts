/** The bytes of every id of a byte-level vocabulary, in one pool. */
import { ByteSink, PaddedBytes } from './byte-sink.ts';
import { failure } from './errors.ts';

const MAX_TOKEN_BYTES = 1 << 16;

export class TokenBytes {
  readonly pool: Uint8Array;
  readonly offsets: Int32Array;
  readonly size: number;
  private padded: PaddedBytes | undefined;

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

  /** The bytes of a list of ids one after the other, as a view that lasts until the next call; ids marked in `skip` are left out. */
  join(ids: ArrayLike<number>, skip: Uint8Array | undefined): Uint8Array {
    const { offsets, size } = this;
    const pool = (this.padded ??= new PaddedBytes(this.pool));
    sink.length = 0; // whatever an error left behind
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i];
      if (!(id >= 0 && id < size))
        throw failure('decode', `id ${id} is outside the vocabulary`, `ids are 0 to ${size - 1}`);
      if (skip !== undefined && skip[id] === 1) continue;
      const from = offsets[id];
      sink.append(pool, from, offsets[id + 1] - from);
    }
    return sink.take();
  }
}

const sink = new ByteSink();
