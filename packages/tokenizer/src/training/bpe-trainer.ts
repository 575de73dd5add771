/**
 * Byte-pair training: again and again the most frequent neighbouring pair becomes one symbol (of
 * equally frequent ones the shorter, then the one earlier in the alphabet: sentencepiece 0.2.3,
 * bpe_model_trainer.cc).
 *
 * All words lie in one row of cells. A symbol stands in its first and its last cell, so both
 * neighbours are found without links, and `pairAt` keeps the pair that begins at each symbol, so
 * counts are corrected without a lookup. Every pair that a merge makes contains the merge's new
 * symbol: its occurrences are complete after that merge, and later its count only falls. The queue
 * can therefore keep old counts and correct them when they come up.
 */
import { CandidateQueue } from './candidate-queue.ts';
import { GrowingFloats, GrowingInts } from './growing.ts';

/** Which neighbours may become one piece, from what is known of each symbol. */
export interface PairRules {
  /** Called once for each new symbol: a character 1 .. alphabet, or a merge of two symbols. */
  addCharacter(symbol: number): void;
  addMerge(symbol: number, left: number, right: number): void;
  mayJoin(left: number, right: number): boolean;
}

export interface Merge {
  /** Symbols of the piece, as characters of the alphabet. */
  readonly characters: Int32Array;
  readonly count: number;
}

export interface TrainingText {
  /**
   * Characters 1 .. alphabet in the order that breaks ties; 0 between words and for characters
   * outside the alphabet (nothing joins with it). Begins and ends with 0.
   */
  readonly cells: Int32Array;
  /** How often the word of each cell occurs. */
  readonly weights: Float64Array;
  readonly alphabet: number;
}

const DEAD = -1;

export class BpeTrainer {
  readonly #cells: Int32Array;
  readonly #characters: Int32Array;
  readonly #weights: Float64Array;
  readonly #pairAt: Int32Array;
  readonly #rules: PairRules;

  /** Length in characters of each symbol. */
  readonly #lengths: GrowingInts;
  #symbols: number;

  readonly #left = new GrowingInts(1 << 14);
  readonly #right = new GrowingInts(1 << 14);
  readonly #counts = new GrowingFloats(1 << 14);
  /** Occurrences of pair p, some of them stale: occurrences[starts[p] .. ends[p]). */
  readonly #starts = new GrowingInts(1 << 14);
  readonly #ends = new GrowingInts(1 << 14);
  readonly #occurrences: GrowingInts;
  readonly #queue: CandidateQueue;
  readonly #taken = new Set<string>();

  /**
   * Pairs of the symbol being made with a symbol on its left or right: pair + 1, or 0 for not
   * joinable; valid where the stamp is the symbol.
   */
  #withLeft = new GrowingInts(1 << 12);
  #withRight = new GrowingInts(1 << 12);
  #leftStamp = new GrowingInts(1 << 12);
  #rightStamp = new GrowingInts(1 << 12);
  #newPairs: number[] = [];
  readonly #foundPair = new GrowingInts(1 << 12);
  readonly #foundAt = new GrowingInts(1 << 12);

  /** `cells` is changed by training. */
  constructor(text: TrainingText, rules: PairRules) {
    const { cells, weights, alphabet } = text;
    this.#cells = cells;
    this.#characters = cells.slice();
    this.#weights = weights;
    this.#rules = rules;
    this.#pairAt = new Int32Array(cells.length).fill(DEAD);
    this.#symbols = alphabet + 1;
    this.#lengths = new GrowingInts(alphabet + 1024);
    for (let symbol = 0; symbol <= alphabet; symbol++) {
      this.#lengths.set(symbol, 1);
      if (symbol > 0) rules.addCharacter(symbol);
    }
    this.#occurrences = new GrowingInts(cells.length * 2);
    this.#queue = new CandidateQueue(this.#counts, this.#characters, alphabet);
    this.#findFirstPairs(alphabet);
  }

  /** The next merge, or undefined when no pair is left. */
  next(): Merge | undefined {
    for (;;) {
      const pair = this.#queue.pop();
      if (pair < 0) return undefined;
      const at = this.#queue.positionOf(pair);
      const characters = this.#characters.slice(at, at + this.#queue.lengthOf(pair));
      const key = characters.join();
      if (this.#taken.has(key)) continue; // the same piece by another path
      this.#taken.add(key);
      const count = this.#counts.data[pair];
      this.#merge(pair);
      return { characters, count };
    }
  }

  #findFirstPairs(alphabet: number): void {
    const cells = this.#cells;
    const weights = this.#weights;
    const pairAt = this.#pairAt;
    const known = new Map<number, number>();
    const square = alphabet < 1500 ? new Int32Array((alphabet + 1) * (alphabet + 1)) : undefined;
    const width = alphabet + 1;
    const totals = new GrowingInts(1 << 12);
    const firsts = new GrowingInts(1 << 12);
    let pairs = 0;
    for (let at = 1; at + 1 < cells.length; at++) {
      const left = cells[at];
      const right = cells[at + 1];
      if (left === 0 || right === 0) continue;
      const key = left * width + right;
      let entry = square === undefined ? (known.get(key) ?? 0) : square[key];
      if (entry === 0) {
        entry = this.#rules.mayJoin(left, right) ? ++pairs : -1;
        if (entry > 0) {
          this.#left.push(left);
          this.#right.push(right);
          this.#counts.push(0);
          totals.push(0);
          firsts.push(at);
        }
        if (square === undefined) known.set(key, entry);
        else square[key] = entry;
      }
      if (entry < 0) continue;
      pairAt[at] = entry - 1;
      this.#counts.data[entry - 1] += weights[at];
      totals.data[entry - 1]++;
    }
    let end = 0;
    for (let pair = 0; pair < pairs; pair++) {
      this.#starts.push(end);
      this.#ends.push(end);
      end += totals.data[pair];
    }
    this.#occurrences.resize(end);
    for (let at = 1; at < cells.length; at++) {
      if (pairAt[at] !== DEAD) this.#occurrences.data[this.#ends.data[pairAt[at]]++] = at;
    }
    for (let pair = 0; pair < pairs; pair++) this.#queue.add(pair, firsts.data[pair], 2, 1);
  }

  #merge(pair: number): void {
    const cells = this.#cells;
    const weights = this.#weights;
    const pairAt = this.#pairAt;
    const counts = this.#counts;
    const left = this.#left.data[pair];
    const right = this.#right.data[pair];
    const symbol = this.#symbols++;
    const leftLength = this.#lengths.data[left];
    const length = leftLength + this.#lengths.data[right];
    this.#lengths.set(symbol, length);
    this.#rules.addMerge(symbol, left, right);
    this.#newPairs.length = 0;
    this.#foundPair.resize(0);
    this.#foundAt.resize(0);
    const lengths = this.#lengths.data;
    const occurrences = this.#occurrences.data;
    const end = this.#ends.data[pair];
    for (let i = this.#starts.data[pair]; i < end; i++) {
      const at = occurrences[i];
      if (pairAt[at] !== pair) continue; // one of its symbols was merged away
      const middle = at + leftLength;
      const after = at + length;
      const weight = weights[at];
      const beyond = pairAt[middle];
      if (beyond >= 0 && beyond !== pair) counts.data[beyond] -= weight;
      pairAt[middle] = DEAD;
      pairAt[at] = DEAD;
      cells[at] = symbol;
      cells[after - 1] = symbol;
      const before = cells[at - 1];
      if (before !== 0) {
        const from = at - lengths[before];
        const old = pairAt[from];
        if (old >= 0 && old !== pair) counts.data[old] -= weight;
        this.#join(from, before, symbol, symbol, weight);
      }
      const following = cells[after];
      if (following !== 0) this.#join(at, symbol, following, symbol, weight);
    }
    this.#storeNewPairs();
  }

  /** Notes that `left` at `at` has `right` behind it; one of them is the new symbol. */
  #join(at: number, left: number, right: number, symbol: number, weight: number): void {
    const other = right === symbol ? left : right;
    const onLeft = right === symbol && left !== symbol;
    const table = onLeft ? this.#withLeft : this.#withRight;
    const stamps = onLeft ? this.#leftStamp : this.#rightStamp;
    if (other >= stamps.length || stamps.data[other] !== symbol) {
      stamps.set(other, symbol);
      table.set(other, this.#rules.mayJoin(left, right) ? this.#newPair(left, right, at) + 1 : 0);
    }
    const pair = table.data[other] - 1;
    this.#pairAt[at] = pair;
    if (pair < 0) return;
    this.#counts.data[pair] += weight;
    this.#ends.data[pair]++; // a count for now
    this.#foundPair.push(pair);
    this.#foundAt.push(at);
  }

  #newPair(left: number, right: number, at: number): number {
    const pair = this.#left.length;
    this.#left.push(left);
    this.#right.push(right);
    this.#counts.push(0);
    this.#starts.push(at);
    this.#ends.push(0);
    this.#newPairs.push(pair);
    return pair;
  }

  /** Gives the occurrences found in one merge their places, pair by pair. */
  #storeNewPairs(): void {
    const starts = this.#starts;
    const ends = this.#ends;
    const occurrences = this.#occurrences;
    let end = occurrences.length;
    for (const pair of this.#newPairs) {
      const first = starts.data[pair];
      const total = ends.data[pair];
      starts.data[pair] = end;
      ends.data[pair] = end;
      end += total;
      const left = this.#left.data[pair];
      const leftLength = this.#lengths.data[left];
      this.#queue.add(pair, first, leftLength + this.#lengths.data[this.#right.data[pair]], leftLength);
    }
    occurrences.resize(end);
    const found = this.#foundPair.length;
    for (let i = 0; i < found; i++)
      occurrences.data[ends.data[this.#foundPair.data[i]]++] = this.#foundAt.data[i];
  }
}
