/**
 * Encodes chunks of a text: parts that no merge crosses, as words with their spaces or the matches
 * of a split pattern. Texts repeat their words, so the ids of a chunk are kept in a cache keyed by
 * its bytes; only new chunks reach the merge loop.
 */
import { Merger } from './merger.ts';
import type { PairTable } from './pair-table.ts';

/** What a vocabulary says about one chunk. */
export interface ChunkRules {
  readonly pairs: PairTable;
  /** The id of the chunk as a whole where that comes before merging (Llama 3), else −1. */
  whole(bytes: Uint8Array, start: number, end: number): number;
  /**
   * Writes the chunk's first symbols (ids, or negative for what is not in the vocabulary); returns
   * their number, at most end − start.
   */
  split(bytes: Uint8Array, start: number, end: number, symbols: Int32Array): number;
  /** Writes the ids of a negative symbol at out[at], none or up to 4; returns the new end. */
  spell(symbol: number, out: Int32Array, at: number): number;
}

const STRIDE = 4; // hash, key offset + 1 (0: free), key length, offset of the ids (a single id itself, as ~id)
const FIRST_CAPACITY = 1 << 11;
const MAX_CAPACITY = 1 << 19;
const MAX_POOL = MAX_CAPACITY * 16;
const MAX_PROBES = 8;
/** Longer chunks are too rare to repeat. */
const MAX_CACHED_BYTES = 96;

export class ChunkEncoder {
  /** Ids so far: out[0 .. count). */
  out = new Int32Array(1024);
  count = 0;

  readonly #rules: ChunkRules;
  readonly #merger: Merger;
  #symbols = new Int32Array(256);

  #entries = new Int32Array(FIRST_CAPACITY * STRIDE);
  #mask = FIRST_CAPACITY - 1;
  #used = 0;
  #keys = new Uint8Array(FIRST_CAPACITY * 8);
  #keyEnd = 0;
  /** Ids of cached chunks; each list is preceded by its length. */
  #values = new Int32Array(FIRST_CAPACITY * 4);
  #valueEnd = 0;

  constructor(rules: ChunkRules) {
    this.#rules = rules;
    this.#merger = new Merger(rules.pairs);
  }

  /** Appends the ids of bytes[start .. end), whose hash (byte-table.ts) is `hash`. */
  encode(bytes: Uint8Array, start: number, end: number, hash: number): void {
    const entries = this.#entries;
    const mask = this.#mask;
    const keys = this.#keys;
    const length = end - start;
    let slot = (hash & mask) * STRIDE;
    for (let probe = 0; probe < MAX_PROBES; probe++) {
      const key = entries[slot + 1] - 1;
      if (key < 0) break;
      if (entries[slot] === hash && entries[slot + 2] === length) {
        let i = 0;
        while (i < length && keys[key + i] === bytes[start + i]) i++;
        if (i === length) {
          this.#appendCached(entries[slot + 3]);
          return;
        }
      }
      slot = (slot + STRIDE) & (mask * STRIDE + STRIDE - 1);
    }
    this.#encodeNew(bytes, start, end, hash);
  }

  /** Appends one id. */
  append(id: number): void {
    if (this.count === this.out.length) this.#reserve(1);
    this.out[this.count++] = id;
  }

  /** The ids so far as a new array; the encoder is empty afterwards. */
  take(): Int32Array {
    const ids = this.out.slice(0, this.count);
    this.clear();
    return ids;
  }

  clear(): void {
    this.count = 0;
    if (this.out.length > 1 << 20) this.out = new Int32Array(1024);
    if (this.#symbols.length > 1 << 20) this.#symbols = new Int32Array(256);
  }

  #appendCached(value: number): void {
    if (value < 0) {
      // a single id, as ~id
      if (this.count === this.out.length) this.#reserve(1);
      this.out[this.count++] = ~value;
      return;
    }
    const values = this.#values;
    const n = values[value];
    if (this.count + n > this.out.length) this.#reserve(n);
    const { out } = this;
    let at = this.count;
    for (let i = 1; i <= n; i++) out[at++] = values[value + i];
    this.count = at;
  }

  #encodeNew(bytes: Uint8Array, start: number, end: number, hash: number): void {
    const length = end - start;
    this.#reserve(4 * length);
    const from = this.count;
    const whole = this.#rules.whole(bytes, start, end);
    if (whole >= 0) {
      this.out[this.count++] = whole;
    } else {
      if (this.#symbols.length < length) this.#symbols = new Int32Array(2 * length);
      const { out } = this;
      const symbols = this.#symbols;
      const rules = this.#rules;
      const n = this.#merger.merge(symbols, rules.split(bytes, start, end, symbols));
      let at = from;
      for (let i = 0; i < n; i++) {
        const symbol = symbols[i];
        if (symbol >= 0) out[at++] = symbol;
        else at = rules.spell(symbol, out, at);
      }
      this.count = at;
    }
    if (length <= MAX_CACHED_BYTES) this.#remember(bytes, start, end, hash, from);
  }

  #remember(bytes: Uint8Array, start: number, end: number, hash: number, from: number): void {
    if (2 * this.#used > this.#mask || this.#keyEnd > MAX_POOL || this.#valueEnd > MAX_POOL)
      this.#growCache();
    const length = end - start;
    const ids = this.count - from;
    if (this.#keyEnd + length > this.#keys.length) this.#keys = doubled(this.#keys);
    if (this.#valueEnd + ids + 1 > this.#values.length) this.#values = doubled(this.#values);
    const entries = this.#entries;
    const mask = this.#mask;
    const keys = this.#keys;
    const values = this.#values;
    let slot = (hash & mask) * STRIDE;
    let probe = 0;
    while (entries[slot + 1] !== 0 && ++probe < MAX_PROBES)
      slot = (slot + STRIDE) & (mask * STRIDE + STRIDE - 1);
    if (entries[slot + 1] === 0) this.#used++;
    entries[slot] = hash;
    entries[slot + 1] = this.#keyEnd + 1;
    entries[slot + 2] = length;
    for (let i = start; i < end; i++) keys[this.#keyEnd++] = bytes[i];
    if (ids === 1) {
      entries[slot + 3] = ~this.out[from];
    } else {
      entries[slot + 3] = this.#valueEnd;
      values[this.#valueEnd++] = ids;
      for (let i = 0; i < ids; i++) values[this.#valueEnd++] = this.out[from + i];
    }
  }

  /**
   * Doubles the table, or empties it at its largest size: a text of ever new words must not take
   * ever more memory.
   */
  #growCache(): void {
    const old = this.#entries;
    const full = this.#mask + 1 >= MAX_CAPACITY || this.#keyEnd > MAX_POOL || this.#valueEnd > MAX_POOL;
    if (full) {
      old.fill(0);
      this.#used = this.#keyEnd = this.#valueEnd = 0;
      return;
    }
    this.#mask = this.#mask * 2 + 1;
    this.#entries = new Int32Array(old.length * 2);
    this.#used = 0;
    const entries = this.#entries;
    const mask = this.#mask;
    for (let from = 0; from < old.length; from += STRIDE) {
      if (old[from + 1] === 0) continue;
      let slot = (old[from] & mask) * STRIDE;
      while (entries[slot + 1] !== 0) slot = (slot + STRIDE) & (mask * STRIDE + STRIDE - 1);
      for (let k = 0; k < STRIDE; k++) entries[slot + k] = old[from + k];
      this.#used++;
    }
  }

  #reserve(extra: number): void {
    if (this.count + extra <= this.out.length) return;
    const grown = new Int32Array(Math.max(this.out.length * 2, this.count + extra));
    grown.set(this.out.subarray(0, this.count));
    this.out = grown;
  }
}

function doubled<A extends Uint8Array | Int32Array>(array: A): A {
  const grown = (
    array instanceof Uint8Array ? new Uint8Array(array.length * 2) : new Int32Array(array.length * 2)
  ) as A; // the same kind
  grown.set(array);
  return grown;
}
