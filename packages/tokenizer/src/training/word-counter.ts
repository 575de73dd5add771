/**
 * Counts words (runs of bytes) in one flat hash table: the input of training, of any size, in the
 * memory of its distinct words.
 */
import { finishHash, HASH_PRIME, HASH_SEED } from '../bytes/byte-table.ts';
import { failure } from '../errors.ts';

/** Distinct words and how often each came: word i is pool[offsets[i] .. offsets[i + 1]). */
export interface WordCounts {
  readonly pool: Uint8Array;
  readonly offsets: Int32Array;
  readonly counts: Float64Array;
}

/** Distinct words altogether: places in them are kept in 32 bits. */
const MAX_POOL = 2 ** 30;

export class WordCounter {
  /** Number of distinct words. */
  size = 0;
  /** Pairs (hash, word + 1); 0 is free. */
  #entries = new Int32Array(2 << 12);
  #mask = (1 << 12) - 1;
  #offsets = new Int32Array((1 << 11) + 2);
  #counts = new Float64Array((1 << 11) + 1);
  #pool = new Uint8Array(1 << 15);

  /** Adds `count` to the word bytes[start .. end) with this hash before its finish. */
  add(bytes: Uint8Array, start: number, end: number, rawHash: number, count: number): void {
    const hash = finishHash(rawHash);
    const entries = this.#entries;
    const mask = this.#mask;
    const pool = this.#pool;
    const offsets = this.#offsets;
    const length = end - start;
    let slot = (hash & mask) << 1;
    for (let word = entries[slot + 1] - 1; word >= 0; word = entries[slot + 1] - 1) {
      if (entries[slot] === hash) {
        const offset = offsets[word];
        if (offsets[word + 1] - offset === length) {
          let i = 0;
          while (i < length && pool[offset + i] === bytes[start + i]) i++;
          if (i === length) {
            this.#counts[word] += count;
            return;
          }
        }
      }
      slot = (slot + 2) & (2 * mask + 1);
    }
    this.#insert(slot, hash, bytes, start, end, count);
  }

  /** Adds the words of another counter (of another thread). */
  merge(words: WordCounts): void {
    const { pool, offsets, counts } = words;
    for (let i = 0; i < counts.length; i++) {
      let hash = HASH_SEED;
      for (let at = offsets[i]; at < offsets[i + 1]; at++) hash = Math.imul(hash ^ pool[at], HASH_PRIME);
      this.add(pool, offsets[i], offsets[i + 1], hash, counts[i]);
    }
  }

  /** The words in the order of first sight, as views of this counter's memory. */
  finish(): WordCounts {
    const { size } = this;
    return {
      pool: this.#pool.subarray(0, this.#offsets[size]),
      offsets: this.#offsets.subarray(0, size + 1),
      counts: this.#counts.subarray(0, size),
    };
  }

  #insert(slot: number, hash: number, bytes: Uint8Array, start: number, end: number, count: number): void {
    const from = this.#offsets[this.size];
    const to = from + end - start;
    if (to > MAX_POOL)
      throw failure(
        'trainTokenizer',
        `the text's ${this.size} distinct words take more than ${MAX_POOL} bytes`,
        'train on a sample of the text',
      );
    if (to > this.#pool.length) {
      const grown = new Uint8Array(Math.min(MAX_POOL, Math.max(to, this.#pool.length * 2)));
      grown.set(this.#pool);
      this.#pool = grown;
    }
    for (let i = start; i < end; i++) this.#pool[from + i - start] = bytes[i];
    this.#counts[this.size] = count;
    this.#entries[slot] = hash;
    this.#entries[slot + 1] = ++this.size;
    this.#offsets[this.size] = to;
    if (2 * this.size > this.#mask) this.#grow();
  }

  #grow(): void {
    const old = this.#entries;
    this.#mask = this.#mask * 2 + 1;
    this.#entries = new Int32Array(old.length * 2);
    for (let from = 0; from < old.length; from += 2) {
      if (old[from + 1] === 0) continue;
      let slot = (old[from] & this.#mask) << 1;
      while (this.#entries[slot + 1] !== 0) slot = (slot + 2) & (2 * this.#mask + 1);
      this.#entries[slot] = old[from];
      this.#entries[slot + 1] = old[from + 1];
    }
    const words = this.#mask >> 1;
    const offsets = new Int32Array(words + 3);
    offsets.set(this.#offsets.subarray(0, this.size + 1));
    this.#offsets = offsets;
    const counts = new Float64Array(words + 2);
    counts.set(this.#counts.subarray(0, this.size));
    this.#counts = counts;
  }
}
