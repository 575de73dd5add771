/**
 * The pairs by count, highest first; of equal counts the shorter piece, then the earlier in the
 * alphabet, then the split further left. Counts may fall while a pair waits: it is put back with
 * its new count when it comes up. Pairs below a threshold wait unsorted until everything above it
 * is used up, since most of a text's pairs are rare and never asked for.
 */
import { GrowingFloats, GrowingInts } from './growing.ts';

export class CandidateQueue {
  readonly #counts: GrowingFloats;
  readonly #characters: Int32Array;
  readonly #radix: number;
  readonly #keyCharacters: number;

  /**
   * By pair: where the piece can be read, its length and the length of its left part; the order
   * among equal counts in one number.
   */
  readonly #positions = new GrowingInts(1 << 14);
  readonly #lengths = new GrowingInts(1 << 14);
  readonly #leftLengths = new GrowingInts(1 << 14);
  readonly #keys = new GrowingFloats(1 << 14);

  readonly #heap = new GrowingInts(1 << 12);
  readonly #heapCounts = new GrowingFloats(1 << 12);
  readonly #waiting = new GrowingInts(1 << 14);
  #threshold = Infinity;

  /** `counts` by pair, kept by the caller. Pairs are added in the order of their numbers. */
  constructor(counts: GrowingFloats, characters: Int32Array, alphabet: number) {
    this.#counts = counts;
    this.#characters = characters;
    this.#radix = alphabet + 1;
    this.#keyCharacters = Math.max(1, Math.floor(Math.log(2 ** 43) / Math.log(this.#radix)));
  }

  add(pair: number, position: number, length: number, leftLength: number): void {
    this.#positions.set(pair, position);
    this.#lengths.set(pair, length);
    this.#leftLengths.set(pair, leftLength);
    let key = length;
    for (let i = 0; i < this.#keyCharacters; i++)
      key = key * this.#radix + (i < length ? this.#characters[position + i] : 0);
    while (this.#keys.length <= pair) this.#keys.push(0);
    this.#keys.data[pair] = key;
    if (this.#counts.data[pair] >= this.#threshold) this.#push(pair);
    else this.#waiting.push(pair);
  }

  positionOf(pair: number): number {
    return this.#positions.data[pair];
  }

  lengthOf(pair: number): number {
    return this.#lengths.data[pair];
  }

  /** Takes the best pair out, or −1. */
  pop(): number {
    for (;;) {
      if (this.#heap.length === 0 && !this.#lowerThreshold()) return -1;
      const pair = this.#heap.data[0];
      const count = this.#counts.data[pair];
      const stale = count !== this.#heapCounts.data[0];
      if (stale && count >= this.#threshold) {
        this.#heapCounts.data[0] = count;
        this.#sink(0);
        continue;
      }
      const last = --this.#heap.length;
      this.#heap.data[0] = this.#heap.data[last];
      this.#heapCounts.data[0] = this.#heapCounts.data[last];
      this.#heapCounts.length = last;
      if (last > 1) this.#sink(0);
      if (!stale) return pair;
      this.#waiting.push(pair);
    }
  }

  /** Moves the waiting pairs above a lower threshold to the heap. False when none waits. */
  #lowerThreshold(): boolean {
    const waiting = this.#waiting;
    const counts = this.#counts;
    if (waiting.length === 0) return false;
    let highest = 0;
    for (let i = 0; i < waiting.length; i++) highest = Math.max(highest, counts.data[waiting.data[i]]);
    this.#threshold = highest > 2 ? Math.floor(highest / 2) : highest;
    let kept = 0;
    for (let i = 0; i < waiting.length; i++) {
      const pair = waiting.data[i];
      if (counts.data[pair] >= this.#threshold) this.#push(pair);
      else waiting.data[kept++] = pair;
    }
    waiting.resize(kept);
    return true;
  }

  #push(pair: number): void {
    const count = this.#counts.data[pair];
    let at = this.#heap.length;
    this.#heap.push(pair);
    this.#heapCounts.push(count);
    const heap = this.#heap.data;
    const heapCounts = this.#heapCounts.data;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#before(count, pair, heapCounts[parent], heap[parent])) break;
      heap[at] = heap[parent];
      heapCounts[at] = heapCounts[parent];
      at = parent;
    }
    heap[at] = pair;
    heapCounts[at] = count;
  }

  #sink(at: number): void {
    const heap = this.#heap.data;
    const heapCounts = this.#heapCounts.data;
    const size = this.#heap.length;
    const pair = heap[at];
    const count = heapCounts[at];
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (
        child + 1 < size &&
        this.#before(heapCounts[child + 1], heap[child + 1], heapCounts[child], heap[child])
      )
        child++;
      if (!this.#before(heapCounts[child], heap[child], count, pair)) break;
      heap[at] = heap[child];
      heapCounts[at] = heapCounts[child];
      at = child;
    }
    heap[at] = pair;
    heapCounts[at] = count;
  }

  #before(countA: number, a: number, countB: number, b: number): boolean {
    if (countA !== countB) return countA > countB;
    const keyA = this.#keys.data[a];
    const keyB = this.#keys.data[b];
    if (keyA !== keyB) return keyA < keyB;
    const characters = this.#characters;
    const length = this.#lengths.data[a];
    const atA = this.#positions.data[a];
    const atB = this.#positions.data[b];
    for (let i = this.#keyCharacters; i < length; i++) {
      if (characters[atA + i] !== characters[atB + i]) return characters[atA + i] < characters[atB + i];
    }
    return this.#leftLengths.data[a] < this.#leftLengths.data[b];
  }
}
