import { f16ToNumber, numberToF16 } from '../half.ts';
import { putHalf, roundAway, sumOfSquares } from './rounding.ts';
import { type Found, searchScale, searchScaleAndMinimum } from './search.ts';

/*
 * Blocks of 32 weights: Q8_0, Q4_0, Q4_1, Q5_0, Q5_1. Without importance, bit for bit as gguf-py's
 * `quants.py` and ggml's reference compiled without fused multiply-adds; with importance, as ggml's
 * `quantize_row_*_impl`.
 */

const { fround } = Math;

export function q8_0(x: Float32Array, at: number, out: Uint8Array, to: number): void {
  const amax = Math.abs(x[largest(x, at)]);
  const d = fround(amax / 127);
  const id = d === 0 ? 0 : fround(1 / d);
  putHalf(out, to, numberToF16(d));
  for (let i = 0; i < 32; i++) out[to + 2 + i] = roundAway(fround(x[at + i] * id));
}

/** Q4_0 (nmax 8) and Q5_0 (nmax 16): signed, the largest magnitude becomes −nmax. */
export function symmetric(nmax: 8 | 16, x: Float32Array, at: number, out: Uint8Array, to: number): void {
  const d = fround(x[largest(x, at)] / -nmax);
  const id = d === 0 ? 0 : fround(1 / d);
  putHalf(out, to, numberToF16(d));
  for (let i = 0; i < 32; i++)
    levels[i] = Math.min(
      2 * nmax - 1,
      Math.max(0, Math.trunc(fround(fround(x[at + i] * id) + (nmax + 0.5)))),
    );
  putLevels(nmax === 16, levels, out, to + 2);
}

/** Q4_1 (nmax 15) and Q5_1 (nmax 31): from the least value up. */
export function affine(nmax: 15 | 31, x: Float32Array, at: number, out: Uint8Array, to: number): void {
  let min = x[at];
  let max = x[at];
  for (let i = 1; i < 32; i++) {
    if (x[at + i] < min) min = x[at + i];
    if (x[at + i] > max) max = x[at + i];
  }
  const d = fround(fround(max - min) / nmax);
  const id = d === 0 ? 0 : fround(1 / d);
  putHalf(out, to, numberToF16(d));
  putHalf(out, to + 2, numberToF16(min));
  for (let i = 0; i < 32; i++) {
    const level = Math.trunc(fround(fround(fround(x[at + i] - min) * id) + 0.5));
    levels[i] = Math.min(nmax, Math.max(0, level));
  }
  putLevels(nmax === 31, levels, out, to + 4);
}

/** A row by weighted search: wⱼ = importanceⱼ · √(σ² + xⱼ²), σ² = mean x² of the row. */
export function weightedRow(
  kind: 'q4_0' | 'q4_1' | 'q5_0' | 'q5_1',
  x: Float32Array,
  at: number,
  columns: number,
  importance: Float32Array,
  out: Uint8Array,
  to: number,
): void {
  const sigma2 = fround(sumOfSquares(x, at, columns) / columns);
  const five = kind === 'q5_0' || kind === 'q5_1';
  const withMinimum = kind === 'q4_1' || kind === 'q5_1';
  const bytes = (withMinimum ? 4 : 2) + (five ? 20 : 16);
  for (let block = 0; block < columns / 32; block++) {
    const from = at + 32 * block;
    const place = to + bytes * block;
    for (let j = 0; j < 32; j++) {
      const value = x[from + j];
      weights[j] = importance[32 * block + j] * fround(Math.sqrt(fround(sigma2 + fround(value * value))));
    }
    const d = withMinimum
      ? searchScaleAndMinimum(32, five ? 31 : 15, x, from, weights, levels, 0, found, WEIGHTED_TRIES)
      : searchScale(32, five ? 16 : 8, x, from, levels, 0, weights);
    putHalf(out, place, numberToF16(d));
    if (withMinimum) putHalf(out, place + 2, numberToF16(-found.minimum));
    putLevels(five, levels, out, place + (withMinimum ? 4 : 2));
  }
}

/** Scales tried where weights come from importance. */
export const WEIGHTED_TRIES = { rmin: -0.9, rdelta: 0.05, nstep: 36 } as const;

const levels = new Uint8Array(32);
const weights = new Float32Array(32);
const found: Found = { minimum: 0 };

/** Index of the first value of largest magnitude. */
function largest(x: Float32Array, at: number): number {
  let index = at;
  for (let i = at + 1; i < at + 32; i++) if (Math.abs(x[i]) > Math.abs(x[index])) index = i;
  return index;
}

/** Four low bits of weight j beside those of weight j + 16; before them, with five bits, the high bits of all 32. */
function putLevels(five: boolean, level: Uint8Array, out: Uint8Array, to: number): void {
  if (five) {
    for (let byte = 0; byte < 4; byte++) {
      let high = 0;
      for (let bit = 0; bit < 8; bit++) high |= (level[8 * byte + bit] >> 4) << bit;
      out[to + byte] = high;
    }
  }
  const start = to + (five ? 4 : 0);
  for (let j = 0; j < 16; j++) out[start + j] = (level[j] & 15) | ((level[j + 16] & 15) << 4);
}

/** What a stored half means. */
export function halfValue(number: number): number {
  return f16ToNumber(numberToF16(number));
}
