/**
 * A set of Unicode characters: first and last of each range in turn, ranges
 * ascending and apart.   [2 · ranges]
 * Surrogates are in none: text is UTF-8.
 */
export type CodeSet = readonly number[];

const LAST = 0x10ffff;
const SURROGATES = [0xd800, 0xdfff] as const;

/** Any ranges, in any order, as a set. */
export function codeSet(ranges: readonly (readonly [number, number])[]): CodeSet {
  const sorted = ranges.flatMap(withoutSurrogates).sort((a, b) => a[0] - b[0]);
  const set: number[] = [];
  for (const [low, high] of sorted) {
    const end = set.at(-1);
    if (end !== undefined && low <= end + 1) set[set.length - 1] = Math.max(end, high);
    else set.push(low, high);
  }
  return set;
}

function withoutSurrogates([low, high]: readonly [number, number]): [number, number][] {
  const [first, last] = SURROGATES;
  if (high < first || low > last) return [[low, high]];
  const parts: [number, number][] = [];
  if (low < first) parts.push([low, first - 1]);
  if (high > last) parts.push([last + 1, high]);
  return parts;
}

export function rangesOf(set: CodeSet): [number, number][] {
  return Array.from({ length: set.length / 2 }, (_, i) => [set[2 * i]!, set[2 * i + 1]!]);
}

export function union(...sets: readonly CodeSet[]): CodeSet {
  return codeSet(sets.flatMap(rangesOf));
}

/** Every character that is not in the set. */
export function negate(set: CodeSet): CodeSet {
  const gaps: [number, number][] = [];
  let next = 0;
  for (const [low, high] of rangesOf(set)) {
    if (low > next) gaps.push([next, low - 1]);
    next = high + 1;
  }
  if (next <= LAST) gaps.push([next, LAST]);
  return codeSet(gaps);
}

export const anyCharacter: CodeSet = negate([]);

/** First and last of each byte in turn. */
export type ByteRanges = readonly (readonly [number, number])[];

/** Last character that UTF-8 writes in 1, 2, 3 and 4 bytes. */
const LENGTHS = [0x7f, 0x7ff, 0xffff, LAST] as const;

/** The UTF-8 of a range of characters, as products of byte ranges. */
export function utf8Ranges(low: number, high: number): ByteRanges[] {
  for (const last of LENGTHS) {
    if (low <= last && high > last) return [...utf8Ranges(low, last), ...utf8Ranges(last + 1, high)];
  }
  const length = LENGTHS.findIndex((last) => high <= last) + 1;
  for (let i = 1; i < length; i++) {
    const tail = (1 << (6 * i)) - 1;
    if ((low & ~tail) === (high & ~tail)) continue;
    if ((low & tail) !== 0) return [...utf8Ranges(low, low | tail), ...utf8Ranges((low | tail) + 1, high)];
    if ((high & tail) !== tail) {
      return [...utf8Ranges(low, (high & ~tail) - 1), ...utf8Ranges(high & ~tail, high)];
    }
  }
  const first = utf8(low);
  const last = utf8(high);
  return [first.map((byte, i) => [byte, last[i]!] as const)];
}

export function utf8(code: number): number[] {
  if (code <= 0x7f) return [code];
  if (code <= 0x7ff) return [0xc0 | (code >> 6), 0x80 | (code & 63)];
  if (code <= 0xffff) return [0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63)];
  return [0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63)];
}

/**
 * How characters become bytes: as they are, or as `JSON.stringify` writes them
 * inside quotes.
 */
export type Encoding = 'utf8' | 'json';

const encoder = new TextEncoder();

/** The bytes of every character of a set, as products of byte ranges. */
export function encodeSet(set: CodeSet, encoding: Encoding): ByteRanges[] {
  const ranges = rangesOf(set);
  if (encoding === 'utf8') return ranges.flatMap(([low, high]) => utf8Ranges(low, high));
  return ranges.flatMap(([low, high]) => {
    const products: ByteRanges[] = [];
    let next = low;
    for (const code of escaped) {
      if (code < next || code > high) continue;
      if (code > next) products.push(...utf8Ranges(next, code - 1));
      const bytes = encoder.encode(JSON.stringify(String.fromCodePoint(code)).slice(1, -1));
      products.push([...bytes].map((byte) => [byte, byte] as const));
      next = code + 1;
    }
    if (next <= high) products.push(...utf8Ranges(next, high));
    return products;
  });
}

/**
 * Characters that JSON strings must escape: controls, the quote and the backslash;
 * ascending.
 */
const escaped: readonly number[] = [...Array.from({ length: 0x20 }, (_, code) => code), 0x22, 0x5c];
