/**
 * The BPE merge loop: while some neighbouring pair merges, merge the one with the lowest rank, the
 * leftmost of equals. Short runs rescan a small array; long ones use a heap, so that no text takes
 * more than n log n.
 */
import { NO_MERGE, type PairTable } from './pair-table.ts';

/** Below this the rescan is faster (measured on English and code: level from 24 to 64). */
const SHORT = 40;
const POSITIONS = 2 ** 31;

export class Merger {
  readonly #pairs: PairTable;
  readonly #ranks = new Int32Array(SHORT);
  readonly #merged = new Int32Array(SHORT);

  constructor(pairs: PairTable) {
    this.#pairs = pairs;
  }

  /**
   * Merges symbols[0 .. n) in place and returns how many are left. Negative symbols never merge.
   */
  merge(symbols: Int32Array, n: number): number {
    return n <= SHORT ? this.#mergeShort(symbols, n) : this.#mergeLong(symbols, n);
  }

  #mergeShort(symbols: Int32Array, n: number): number {
    const pairs = this.#pairs;
    const ranks = this.#ranks;
    const merged = this.#merged;
    let best = NO_MERGE;
    let at = 0;
    for (let i = 0; i + 1 < n; i++) {
      const slot = pairs.find(symbols[i], symbols[i + 1]);
      if (slot < 0) {
        ranks[i] = NO_MERGE;
        continue;
      }
      const rank = pairs.data[slot + 2];
      ranks[i] = rank;
      merged[i] = pairs.data[slot + 3];
      if (rank < best) {
        best = rank;
        at = i;
      }
    }
    while (best !== NO_MERGE) {
      symbols[at] = merged[at];
      n--;
      for (let i = at + 1; i < n; i++) {
        symbols[i] = symbols[i + 1];
        ranks[i] = ranks[i + 1];
        merged[i] = merged[i + 1];
      }
      if (at > 0) this.#rate(symbols, at - 1);
      if (at + 1 < n) this.#rate(symbols, at);
      best = NO_MERGE;
      for (let i = 0; i + 1 < n; i++) {
        if (ranks[i] < best) {
          best = ranks[i];
          at = i;
        }
      }
    }
    return n;
  }

  #rate(symbols: Int32Array, i: number): void {
    const slot = this.#pairs.find(symbols[i], symbols[i + 1]);
    if (slot < 0) {
      this.#ranks[i] = NO_MERGE;
    } else {
      this.#ranks[i] = this.#pairs.data[slot + 2];
      this.#merged[i] = this.#pairs.data[slot + 3];
    }
  }

  /**
   * Heap of rank · 2³¹ + position. An entry is stale when the pair that now begins at its position
   * has another rank.
   */
  #mergeLong(symbols: Int32Array, n: number): number {
    const pairs = this.#pairs;
    const next = new Int32Array(n);
    const prev = new Int32Array(n);
    const heap = new RankHeap(n + 2);
    for (let i = 0; i < n; i++) {
      prev[i] = i - 1;
      next[i] = i + 1;
      if (i + 1 === n) break;
      const slot = pairs.find(symbols[i], symbols[i + 1]);
      if (slot >= 0) heap.append(pairs.data[slot + 2] * POSITIONS + i);
    }
    heap.order();
    while (heap.size > 0) {
      const key = heap.pop();
      const rank = Math.floor(key / POSITIONS);
      const left = key - rank * POSITIONS;
      const right = next[left];
      if (right >= n || right < 0) continue;
      const slot = pairs.find(symbols[left], symbols[right]);
      if (slot < 0 || pairs.data[slot + 2] !== rank) continue;
      symbols[left] = pairs.data[slot + 3];
      const after = next[right];
      next[left] = after;
      next[right] = -1; // merged away: entries at `right` are stale
      if (after < n) {
        prev[after] = left;
        const s = pairs.find(symbols[left], symbols[after]);
        if (s >= 0) heap.push(pairs.data[s + 2] * POSITIONS + left);
      }
      const before = prev[left];
      if (before >= 0) {
        const s = pairs.find(symbols[before], symbols[left]);
        if (s >= 0) heap.push(pairs.data[s + 2] * POSITIONS + before);
      }
    }
    let count = 0;
    for (let i = 0; i < n; i = next[i]) symbols[count++] = symbols[i];
    return count;
  }
}

/** A binary min-heap of numbers. */
class RankHeap {
  size = 0;
  #items: Float64Array;

  constructor(capacity: number) {
    this.#items = new Float64Array(capacity);
  }

  /** Adds without order; `order` once at the end. */
  append(key: number): void {
    this.#items[this.size++] = key;
  }

  order(): void {
    for (let i = (this.size >> 1) - 1; i >= 0; i--) this.#sink(this.#items[i], i);
  }

  push(key: number): void {
    if (this.size === this.#items.length) {
      const grown = new Float64Array(this.size * 2);
      grown.set(this.#items);
      this.#items = grown;
    }
    const items = this.#items;
    let at = this.size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (items[parent] <= key) break;
      items[at] = items[parent];
      at = parent;
    }
    items[at] = key;
  }

  pop(): number {
    const top = this.#items[0];
    const last = this.#items[--this.size];
    if (this.size > 0) this.#sink(last, 0);
    return top;
  }

  #sink(key: number, at: number): void {
    const { size } = this;
    const items = this.#items;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (child + 1 < size && items[child + 1] < items[child]) child++;
      if (items[child] >= key) break;
      items[at] = items[child];
      at = child;
    }
    items[at] = key;
  }
}
