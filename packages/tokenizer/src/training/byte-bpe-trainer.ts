/**
 * Byte-pair training on bytes: again and again the most frequent neighbouring pair of tokens
 * becomes one token (of equally frequent ones that with the lower ids: Hugging Face tokenizers,
 * models/bpe/trainer.rs).
 *
 * Words lie in one row of cells as in bpe-trainer.ts. No token is ever made in two ways: where the
 * same bytes stand as whole tokens, the same merges have happened inside them. So every pair of a
 * new token is complete after its merge, and later its count only falls: the queue may keep old
 * counts and correct them when they come up.
 */
import { GrowingInts } from './growing.ts';
import { PairTable } from '../bpe/pair-table.ts';

/** Bytes in the order of their ids: GPT-2's alphabet, as in every tiktoken file (`!` is 0). */
export const BYTE_ORDER: readonly number[] = (() => {
  const plain = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  const bytes = Array.from({ length: 256 }, (_, byte) => byte);
  return [...bytes.filter(plain), ...bytes.filter((byte) => !plain(byte))];
})();

const NONE = -1;

export interface ByteTrainingText {
  /** Ids of bytes (BYTE_ORDER), −1 between words. Begins and ends with −1. Changed by training. */
  readonly cells: Int32Array;
  /** How often the word of each cell occurs. */
  readonly weights: Float64Array;
}

export class ByteBpeTrainer {
  /** Tokens so far, one character a byte. */
  readonly tokens: string[] = BYTE_ORDER.map((byte) => String.fromCharCode(byte));
  readonly #cells: Int32Array;
  readonly #weights: Float64Array;
  /** Pair that begins at the token that begins in this cell. */
  readonly #pairAt: Int32Array;

  readonly #table = new PairTable(1 << 16);
  readonly #left = new GrowingInts(1 << 16);
  readonly #right = new GrowingInts(1 << 16);
  #counts = new Float64Array(1 << 16);
  /**
   * Places where a pair was seen, as lists: head of each pair, and for each entry its place and the
   * entry before it.
   */
  readonly #heads = new GrowingInts(1 << 16);
  readonly #places: GrowingInts;
  readonly #earlier: GrowingInts;

  readonly #queue: PairQueue;
  /** Pairs before this one are in the queue. */
  #queued = 0;

  constructor({ cells, weights }: ByteTrainingText) {
    this.#cells = cells;
    this.#weights = weights;
    this.#pairAt = new Int32Array(cells.length).fill(NONE);
    this.#places = new GrowingInts(cells.length * 2);
    this.#earlier = new GrowingInts(cells.length * 2);
    this.#queue = new PairQueue(this.#left, this.#right);
    for (let at = 1; at + 1 < cells.length; at++) {
      if (cells[at] >= 0 && cells[at + 1] >= 0) this.#join(at, cells[at], cells[at + 1], weights[at]);
    }
    this.#queueNew();
  }

  /** Makes a token of the most frequent pair. False when none is left. */
  next(): boolean {
    for (let pair = this.#queue.pop(); pair >= 0; pair = this.#queue.pop()) {
      const count = this.#counts[pair];
      if (count === this.#queue.popped) {
        this.#merge(pair);
        return true;
      }
      if (count > 0) this.#queue.push(pair, count);
    }
    return false;
  }

  #merge(pair: number): void {
    const { tokens } = this;
    const cells = this.#cells;
    const weights = this.#weights;
    const pairAt = this.#pairAt;
    const left = this.#left.data[pair];
    const right = this.#right.data[pair];
    const name = tokens[left] + tokens[right];
    const symbol = tokens.push(name) - 1;
    const leftLength = tokens[left].length;
    const length = name.length;
    for (const at of this.#placesOf(pair)) {
      if (pairAt[at] !== pair) continue; // one of its tokens was merged away
      const middle = at + leftLength;
      const after = at + length;
      const weight = weights[at];
      this.#counts[pair] -= weight;
      this.#leave(middle, weight);
      cells[at] = symbol;
      cells[after - 1] = symbol;
      pairAt[at] = NONE;
      const before = cells[at - 1];
      if (before >= 0) {
        const from = at - tokens[before].length;
        this.#leave(from, weight);
        this.#join(from, before, symbol, weight);
      }
      if (cells[after] >= 0) this.#join(at, symbol, cells[after], weight);
    }
    this.#queueNew();
  }

  /** Where the pair was seen, ascending: a run of one token merges from the left. */
  #placesOf(pair: number): Int32Array {
    let n = 0;
    for (let entry = this.#heads.data[pair]; entry !== 0; entry = this.#earlier.data[entry - 1]) n++;
    const places = new Int32Array(n);
    let ascending = true;
    for (let entry = this.#heads.data[pair]; entry !== 0; entry = this.#earlier.data[entry - 1]) {
      places[--n] = this.#places.data[entry - 1];
      ascending &&= n + 1 === places.length || places[n] <= places[n + 1];
    }
    this.#heads.data[pair] = 0;
    return ascending ? places : places.sort();
  }

  /** The pair at this place is no more. */
  #leave(at: number, weight: number): void {
    const pair = this.#pairAt[at];
    if (pair >= 0) this.#counts[pair] -= weight;
    this.#pairAt[at] = NONE;
  }

  #join(at: number, left: number, right: number, weight: number): void {
    const slot = this.#table.find(left, right);
    const pair = slot < 0 ? this.#newPair(left, right) : this.#table.data[slot + 2];
    this.#pairAt[at] = pair;
    this.#counts[pair] += weight;
    this.#places.push(at);
    this.#earlier.push(this.#heads.data[pair]);
    this.#heads.data[pair] = this.#places.length;
  }

  #newPair(left: number, right: number): number {
    const pair = this.#left.length;
    this.#table.set(left, right, pair, 0);
    this.#left.push(left);
    this.#right.push(right);
    this.#heads.push(0);
    if (pair === this.#counts.length) {
      const grown = new Float64Array(pair * 2);
      grown.set(this.#counts);
      this.#counts = grown;
    }
    return pair;
  }

  #queueNew(): void {
    for (; this.#queued < this.#left.length; this.#queued++) {
      const count = this.#counts[this.#queued];
      if (count > 0) this.#queue.push(this.#queued, count);
    }
  }
}

/** Pairs by falling count, then rising ids: a binary heap. */
class PairQueue {
  /** The count that the pair given out last was queued with. */
  popped = 0;
  #size = 0;
  #pairs = new Int32Array(1 << 12);
  #counts = new Float64Array(1 << 12);
  readonly #left: GrowingInts;
  readonly #right: GrowingInts;

  constructor(left: GrowingInts, right: GrowingInts) {
    this.#left = left;
    this.#right = right;
  }

  push(pair: number, count: number): void {
    if (this.#size === this.#pairs.length) {
      const pairs = new Int32Array(this.#size * 2);
      pairs.set(this.#pairs);
      this.#pairs = pairs;
      const counts = new Float64Array(this.#size * 2);
      counts.set(this.#counts);
      this.#counts = counts;
    }
    const pairs = this.#pairs;
    const counts = this.#counts;
    let at = this.#size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#before(count, pair, counts[parent], pairs[parent])) break;
      pairs[at] = pairs[parent];
      counts[at] = counts[parent];
      at = parent;
    }
    pairs[at] = pair;
    counts[at] = count;
  }

  pop(): number {
    if (this.#size === 0) return -1;
    const pairs = this.#pairs;
    const counts = this.#counts;
    const top = pairs[0];
    this.popped = counts[0];
    const size = --this.#size;
    const pair = pairs[size];
    const count = counts[size];
    for (let at = 0; ;) {
      let child = 2 * at + 1;
      if (child + 1 < size && this.#before(counts[child + 1], pairs[child + 1], counts[child], pairs[child]))
        child++;
      if (child >= size || !this.#before(counts[child], pairs[child], count, pair)) {
        pairs[at] = pair;
        counts[at] = count;
        return top;
      }
      pairs[at] = pairs[child];
      counts[at] = counts[child];
      at = child;
    }
  }

  #before(countA: number, a: number, countB: number, b: number): boolean {
    if (countA !== countB) return countA > countB;
    const left = this.#left.data[a] - this.#left.data[b];
    return left !== 0 ? left < 0 : this.#right.data[a] < this.#right.data[b];
  }
}
