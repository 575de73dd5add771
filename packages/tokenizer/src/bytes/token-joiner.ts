/**
 * Joins the bytes of tokens, eight bytes a step. All that most tokens need stands in one row of 32
 * bytes: the first sixteen bytes (two float64), the length, the place in the pool. Float64 is the
 * widest unit that JavaScript moves without making an object of it: 1.5 times as fast as two int32
 * from the pool. Only a NaN may change on the way, so tokens with eight bytes that spell one (0x7F
 * or 0xFF behind 0xF0 or more: never in text) are copied byte by byte.
 */
import { failure } from '../errors.ts';

const ROW_FLOATS = 4;
const ROW_INTS = 8;
const WIDE = 16;
/** Larger buffers are given back after use. */
const KEPT = 1 << 22;

export class TokenJoiner {
  readonly #pool: Uint8Array;
  readonly #size: number;
  readonly #heads: Float64Array;
  /**
   * Of the same rows: [4] the length, or −1 − length where it must be copied byte by byte; [5] the
   * place in the pool.
   */
  readonly #rows: Int32Array;

  constructor(pool: Uint8Array, offsets: Int32Array) {
    this.#pool = pool;
    this.#size = offsets.length - 1;
    this.#heads = new Float64Array(this.#size * ROW_FLOATS);
    this.#rows = new Int32Array(this.#heads.buffer);
    const bytes = new Uint8Array(this.#heads.buffer);
    for (let id = 0; id < this.#size; id++) {
      const from = offsets[id];
      const length = offsets[id + 1] - from;
      const row = id * ROW_INTS;
      for (let k = 0; k < WIDE && k < length; k++) bytes[4 * row + k] = pool[from + k];
      const float = id * ROW_FLOATS;
      const plain = !Number.isNaN(this.#heads[float]) && !Number.isNaN(this.#heads[float + 1]);
      this.#rows[row + 4] = plain ? length : -1 - length;
      this.#rows[row + 5] = from;
    }
  }

  /** A view that lasts until the next call on any joiner. Ids marked in `skip` are left out. */
  join(ids: ArrayLike<number>, skip: Uint8Array | undefined): Uint8Array {
    if (skip !== undefined) ids = Array.from(ids).filter((id) => skip[id] !== 1);
    const heads = this.#heads;
    const rows = this.#rows;
    const size = this.#size;
    let { bytes, view } = sink;
    let room = bytes.length - 2 * WIDE;
    let to = 0;
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i];
      if (id >>> 0 !== id || id >= size)
        throw failure('decode', `id ${id} is outside the vocabulary`, `ids are 0 to ${size - 1}`);
      const length = rows[id * ROW_INTS + 4];
      if (to > room || length >>> 0 > WIDE) {
        to = this.#copy(id, to);
        ({ bytes, view } = sink);
        room = bytes.length - 2 * WIDE;
        continue;
      }
      view.setFloat64(to, heads[id * ROW_FLOATS], true);
      if (length > 8) view.setFloat64(to + 8, heads[id * ROW_FLOATS + 1], true);
      to += length;
    }
    const joined = bytes.subarray(0, to);
    if (bytes.length > KEPT) sink = newSink(1 << 12);
    return joined;
  }

  /** Byte by byte, making room. Returns the new end. */
  #copy(id: number, to: number): number {
    const signed = this.#rows[id * ROW_INTS + 4];
    const length = signed < 0 ? -1 - signed : signed;
    if (to + length + 2 * WIDE > sink.bytes.length) growSink(to, to + length + 2 * WIDE);
    const { bytes } = sink;
    const from = this.#rows[id * ROW_INTS + 5];
    for (let k = 0; k < length; k++) bytes[to + k] = this.#pool[from + k];
    return to + length;
  }
}

interface Sink {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** Shared: a join ends before the next begins. */
let sink = newSink(1 << 12);

function newSink(size: number): Sink {
  const bytes = new Uint8Array(size);
  return { bytes, view: new DataView(bytes.buffer) };
}

function growSink(used: number, needed: number): void {
  const { bytes } = sink;
  sink = newSink(Math.max(2 * bytes.length, needed));
  sink.bytes.set(bytes.subarray(0, used));
}
