/**
 * An exact map from byte strings to ids: open addressing over one pool of bytes, no object for each
 * entry.
 */

/**
 * FNV-1a over bytes, finished so that the low bits are good. The scanners compute the same hash
 * while they read.
 */
export const HASH_SEED = 0x811c9dc5 | 0;
export const HASH_PRIME = 0x01000193;

export function finishHash(hash: number): number {
  return hash ^ (hash >>> 15) ^ (hash >>> 7);
}

export function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = HASH_SEED;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i], HASH_PRIME);
  return finishHash(hash);
}

export class ByteTable {
  #slots: Int32Array;
  #mask: number;
  readonly #pool: Uint8Array;
  readonly #offsets: Int32Array;

  /**
   * Entry `id` is pool[offsets[id] .. offsets[id + 1]). Nothing is in the table until it is added.
   */
  constructor(pool: Uint8Array, offsets: Int32Array) {
    this.#pool = pool;
    this.#offsets = offsets;
    let capacity = 16;
    while (capacity < 2 * (offsets.length - 1)) capacity *= 2;
    this.#slots = new Int32Array(capacity);
    this.#mask = capacity - 1;
  }

  /** Adds `id`; returns the id that already has the same bytes, or -1. */
  add(id: number): number {
    const pool = this.#pool;
    const offsets = this.#offsets;
    const slots = this.#slots;
    const mask = this.#mask;
    const start = offsets[id];
    const end = offsets[id + 1];
    const length = end - start;
    for (let slot = hashBytes(pool, start, end) & mask; ; slot = (slot + 1) & mask) {
      const other = slots[slot] - 1;
      if (other < 0) {
        slots[slot] = id + 1;
        return -1;
      }
      const at = offsets[other];
      if (offsets[other + 1] - at !== length) continue;
      let i = 0;
      while (i < length && pool[at + i] === pool[start + i]) i++;
      if (i === length) return other;
    }
  }

  find(bytes: Uint8Array, start: number, end: number): number {
    const pool = this.#pool;
    const offsets = this.#offsets;
    const slots = this.#slots;
    const mask = this.#mask;
    const length = end - start;
    for (let slot = hashBytes(bytes, start, end) & mask; ; slot = (slot + 1) & mask) {
      const id = slots[slot] - 1;
      if (id < 0) return -1;
      const at = offsets[id];
      if (offsets[id + 1] - at !== length) continue;
      let i = 0;
      while (i < length && pool[at + i] === bytes[start + i]) i++;
      if (i === length) return id;
    }
  }
}
