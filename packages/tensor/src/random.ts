/*
 * Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as
 * easy as 1, 2, 3"). A number is a function of (seed, stream, position) alone, so initialisation,
 * sampling and data order do not depend on who draws when.
 */

const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;

/** Upper 32 bits of the product of two unsigned 32-bit numbers. */
function mulHigh(a: number, b: number): number {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  const low = a0 * b0;
  const mid = a1 * b0 + (low >>> 16);
  const mid2 = a0 * b1 + (mid & 0xffff);
  return (a1 * b1 + Math.floor(mid / 65536) + Math.floor(mid2 / 65536)) >>> 0;
}

/** Ten rounds of Philox4x32 over counter (c0..c3) with key (k0, k1); the four unsigned words go to `out` from `at`. */
export function philox(
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  k0: number,
  k1: number,
  out: Uint32Array,
  at = 0,
): void {
  for (let round = 0; round < 10; round++) {
    const h0 = mulHigh(M0, c0);
    const l0 = Math.imul(M0, c0);
    const h1 = mulHigh(M1, c2);
    const l1 = Math.imul(M1, c2);
    c0 = (h1 ^ c1 ^ k0) >>> 0;
    c1 = l1 >>> 0;
    c2 = (h0 ^ c3 ^ k1) >>> 0;
    c3 = l0 >>> 0;
    k0 = (k0 + W0) >>> 0;
    k1 = (k1 + W1) >>> 0;
  }
  out[at] = c0;
  out[at + 1] = c1;
  out[at + 2] = c2;
  out[at + 3] = c3;
}

export interface RandomPlace {
  /** Any whole number up to 2^53. */
  readonly seed: number;
  /** Independent streams of one seed: 32 bits. */
  readonly stream: number;
  /** Index of the first number; whole, up to 2^53. */
  readonly start: number;
}

const words = new Uint32Array(4);

/** Fills the four words that belong to block `block` (four numbers a block) of a stream. */
function drawBlock({ seed, stream }: { seed: number; stream: number }, block: number): void {
  philox(
    block >>> 0,
    Math.floor(block / 2 ** 32),
    stream >>> 0,
    0,
    seed >>> 0,
    Math.floor(seed / 2 ** 32) >>> 0,
    words,
  );
}

/** Uniform numbers in [0, 1) with 32 random bits. */
export function uniforms(place: RandomPlace, out: Float32Array | Float64Array): void {
  for (let i = 0; i < out.length; i++) {
    const index = place.start + i;
    if (i === 0 || index % 4 === 0) drawBlock(place, Math.floor(index / 4));
    out[i] = words[index % 4] / 2 ** 32;
  }
}

/** One uniform number in [0, 1) with 53 random bits, from block `start` of the stream. */
export function uniform(place: RandomPlace): number {
  drawBlock(place, place.start);
  return (words[0] * 2 ** 21 + (words[1] >>> 11)) / 2 ** 53;
}

/** N(0, std²) by Box and Muller's transform, two numbers a pair of words; computed in double, rounded once. */
export function normals(
  place: RandomPlace & { readonly std: number },
  out: Float32Array | Float64Array,
): void {
  for (let i = 0; i < out.length; i++) {
    const index = place.start + i;
    if (i === 0 || index % 4 === 0) drawBlock(place, Math.floor(index / 4));
    const pair = (index % 4) & 2;
    const radius = Math.sqrt(-2 * Math.log((words[pair] + 1) / 2 ** 32)) * place.std;
    const angle = (2 * Math.PI * words[pair + 1]) / 2 ** 32;
    out[i] = radius * (index & 1 ? Math.sin(angle) : Math.cos(angle));
  }
}

/**
 * Image of `index` under a random permutation of 0 … n − 1 that depends on (seed, stream) only: six
 * Feistel rounds of Philox on the smallest square that holds n, walked until it falls inside. No
 * memory, any order of access.
 */
export function permute(index: number, n: number, seed: number, stream: number): number {
  const side = Math.max(1, Math.ceil(Math.sqrt(n)));
  let value = index;
  do {
    let left = Math.floor(value / side);
    let right = value % side;
    for (let round = 0; round < 6; round++) {
      philox(right, round, stream >>> 0, 1, seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0, words);
      [left, right] = [right, (left + words[0]) % side];
    }
    value = left * side + right;
  } while (value >= n);
  return value;
}

/** A stream number for a name: FNV-1a over its UTF-16 units. */
export function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
