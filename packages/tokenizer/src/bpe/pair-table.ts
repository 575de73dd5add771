/**
 * Which neighbouring symbols merge: (left id, right id) → (rank, merged id), open addressing in one
 * Int32Array.
 */

/** Rank of a pair that does not merge; every real rank is smaller. */
export const NO_MERGE = 0x7fffffff;

/**
 * Finds the merge of a pair that the table has not seen: returns the merged id, or −1. Ranks come
 * from `rankOf`.
 */
export type MergeFinder = (left: number, right: number) => number;

const STRIDE = 4; // left + 1 (0: free), right, rank, merged id
/**
 * A table that fills itself forgets everything at this size, so that no text can make it grow
 * without bound.
 */
const LAZY_LIMIT = 1 << 20;

export class PairTable {
  /** Entry at slot s: data[s] .. data[s + 3]. `find` returns s. */
  data: Int32Array;
  #mask: number;
  #count = 0;
  readonly #finder: MergeFinder | undefined;
  readonly #rankOf: ArrayLike<number> | undefined;

  /**
   * Without a finder: an explicit list, filled by `set`. With one: pairs are looked up on first
   * sight and remembered, misses too.
   */
  constructor(expected = 2048, finder?: MergeFinder, rankOf?: ArrayLike<number>) {
    let capacity = 1024;
    while (capacity < 2 * expected) capacity *= 2;
    this.data = new Int32Array(capacity * STRIDE);
    this.#mask = capacity - 1;
    this.#finder = finder;
    this.#rankOf = rankOf;
  }

  /**
   * Slot of the pair, its rank at data[slot + 2] and merged id at data[slot + 3]; or −1 when it
   * does not merge.
   */
  find(left: number, right: number): number {
    if ((left | right) < 0) return -1;
    const { data } = this;
    const mask = this.#mask;
    let at = hashPair(left, right) & mask;
    for (;;) {
      const slot = at * STRIDE;
      const key = data[slot];
      if (key === left + 1 && data[slot + 1] === right) return data[slot + 3] < 0 ? -1 : slot;
      if (key === 0) return this.#finder === undefined ? -1 : this.#fill(left, right);
      at = (at + 1) & mask;
    }
  }

  /** Adds a pair; the first entry for it stays. */
  set(left: number, right: number, rank: number, merged: number): void {
    if (2 * this.#count >= this.#mask) this.#grow();
    const { data } = this;
    const mask = this.#mask;
    let slot = (hashPair(left, right) & mask) * STRIDE;
    while (data[slot] !== 0) {
      if (data[slot] === left + 1 && data[slot + 1] === right) return;
      slot = (slot + STRIDE) & (mask * STRIDE + STRIDE - 1);
    }
    data[slot] = left + 1;
    data[slot + 1] = right;
    data[slot + 2] = rank;
    data[slot + 3] = merged;
    this.#count++;
  }

  #fill(left: number, right: number): number {
    const finder = this.#finder;
    const rankOf = this.#rankOf;
    if (finder === undefined || rankOf === undefined) return -1;
    if (this.#count >= LAZY_LIMIT) {
      this.data.fill(0);
      this.#count = 0;
    }
    const merged = finder(left, right);
    this.set(left, right, merged < 0 ? NO_MERGE : rankOf[merged], merged);
    return merged < 0 ? -1 : this.find(left, right);
  }

  #grow(): void {
    const old = this.data;
    this.data = new Int32Array(old.length * 2);
    this.#mask = this.#mask * 2 + 1;
    this.#count = 0;
    for (let slot = 0; slot < old.length; slot += STRIDE) {
      if (old[slot] !== 0) this.set(old[slot] - 1, old[slot + 1], old[slot + 2], old[slot + 3]);
    }
  }
}

function hashPair(left: number, right: number): number {
  const h = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca77);
  return h ^ (h >>> 15);
}
