import { numberToF16 } from '../half.ts';
import { nearestInt, putHalf, sumOfSquares } from './rounding.ts';
import {
  clamp,
  type Found,
  GROUP_MAX_EPS,
  searchPositive,
  searchScale,
  searchScaleAndMinimum,
} from './search.ts';
import { halfValue, WEIGHTED_TRIES } from './simple.ts';

/*
 * Blocks of 256 weights: Q4_K and Q5_K (8 sub-blocks of 32, each with a scale and a minimum of 6
 * bits), Q6_K (16 of 16, scales of 8 bits). Bit for bit as ggml's `quantize_row_q*_K_ref`, and with
 * importance as its `_impl`.
 */

const { fround } = Math;

/** Scales tried without importance. */
const TRIES = {
  15: { rmin: -1, rdelta: 0.1, nstep: 20 },
  31: { rmin: -0.5, rdelta: 0.1, nstep: 15 },
} as const;

const levels = new Uint8Array(256);
const weights = new Float32Array(32);
const scales = new Float32Array(16);
const minima = new Float32Array(8);
const sums = new Float32Array(8);
const scaleLevels = new Uint8Array(8);
const minimumLevels = new Uint8Array(8);
const found: Found = { minimum: 0 };

/** Q4_K (nmax 15) and Q5_K (nmax 31). `importance`: that of the 256 columns from `importanceAt`. */
export function q45_k(
  nmax: 15 | 31,
  x: Float32Array,
  at: number,
  out: Uint8Array,
  to: number,
  importance?: Float32Array,
  importanceAt = 0,
): void {
  const sigma2 = importance ? fround(fround(2 * sumOfSquares(x, at, 256)) / 256) : 0;
  for (let j = 0; j < 8; j++) {
    const from = at + 32 * j;
    if (importance) weigh(x, from, sigma2, importance, importanceAt + 32 * j);
    else weighPlain(x, from);
    sums[j] = sumInOrder(weights);
    const tries = importance ? WEIGHTED_TRIES : TRIES[nmax];
    scales[j] = searchScaleAndMinimum(32, nmax, x, from, weights, levels, 32 * j, found, tries);
    minima[j] = found.minimum;
  }
  const [d, dmin] = importance
    ? [searchPositive(8, 63, scales, scaleLevels, sums), searchPositive(8, 63, minima, minimumLevels, sums)]
    : [sixBits(scales, scaleLevels), sixBits(minima, minimumLevels)];
  putHalf(out, to, numberToF16(d));
  putHalf(out, to + 2, numberToF16(dmin));
  putSixBits(out, to + 4);
  requantise(nmax, x, at, halfValue(d), halfValue(dmin));
  const nibblesAt = to + (nmax === 31 ? 48 : 16);
  for (let chunk = 0; chunk < 4; chunk++) {
    for (let l = 0; l < 32; l++)
      out[nibblesAt + 32 * chunk + l] =
        (levels[64 * chunk + l] & 15) | ((levels[64 * chunk + 32 + l] & 15) << 4);
  }
  if (nmax === 31) {
    for (let l = 0; l < 32; l++) {
      let high = 0;
      for (let j = 0; j < 8; j++) high |= (levels[32 * j + l] >> 4) << j;
      out[to + 16 + l] = high;
    }
  }
}

export function q6_k(
  x: Float32Array,
  at: number,
  out: Uint8Array,
  to: number,
  importance?: Float32Array,
  importanceAt = 0,
): void {
  let widest = 0;
  for (let j = 0; j < 16; j++) {
    scales[j] = searchScale(16, 32, x, at + 16 * j, levels, 16 * j, importance, importanceAt + 16 * j);
    if (Math.abs(scales[j]) > Math.abs(widest)) widest = scales[j];
  }
  if (Math.abs(widest) < GROUP_MAX_EPS) {
    out.fill(0, to, to + 210);
    return;
  }
  const iscale = fround(-128 / widest);
  const d = fround(1 / iscale);
  putHalf(out, to + 208, numberToF16(d));
  for (let j = 0; j < 16; j++) {
    const scale = Math.min(127, nearestInt(fround(iscale * scales[j])));
    out[to + 192 + j] = scale;
    const step = fround(halfValue(d) * ((scale << 24) >> 24));
    if (step === 0) continue;
    for (let i = 16 * j; i < 16 * j + 16; i++)
      levels[i] = clamp(nearestInt(fround(x[at + i] / step)), -32, 31) + 32;
  }
  for (let n = 0; n < 2; n++) {
    for (let l = 0; l < 32; l++) {
      const [a, b, c, e] = [0, 32, 64, 96].map((k) => levels[128 * n + k + l]);
      out[to + 64 * n + l] = (a & 15) | ((c & 15) << 4);
      out[to + 64 * n + 32 + l] = (b & 15) | ((e & 15) << 4);
      out[to + 128 + 32 * n + l] = (a >> 4) | ((b >> 4) << 2) | ((c >> 4) << 4) | ((e >> 4) << 6);
    }
  }
}

/** wₗ = √(mean x²) + |xₗ| */
function weighPlain(x: Float32Array, at: number): void {
  const average = fround(Math.sqrt(fround(sumOfSquares(x, at, 32) / 32)));
  for (let l = 0; l < 32; l++) weights[l] = average + Math.abs(x[at + l]);
}

/** wₗ = importanceₗ · √(σ² + xₗ²) */
function weigh(x: Float32Array, at: number, sigma2: number, importance: Float32Array, from: number): void {
  for (let l = 0; l < 32; l++) {
    const square = fround(x[at + l] * x[at + l]);
    weights[l] = importance[from + l] * fround(Math.sqrt(fround(sigma2 + square)));
  }
}

function sumInOrder(values: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum = fround(sum + values[i]);
  return sum;
}

/** Six bits of the largest value each; returns what one level is worth. */
function sixBits(values: Float32Array, level: Uint8Array): number {
  let max = 0;
  for (let j = 0; j < 8; j++) if (values[j] > max) max = values[j];
  const inverse = max > 0 ? fround(63 / max) : 0;
  for (let j = 0; j < 8; j++) level[j] = Math.min(63, nearestInt(fround(inverse * values[j])) & 255);
  return fround(max / 63);
}

/**
 * Scales and minima in 12 bytes: sub-blocks 0 to 3 whole, of 4 to 7 the low four bits and, above
 * the others, the high two.
 */
function putSixBits(out: Uint8Array, to: number): void {
  for (let j = 0; j < 4; j++) {
    const [low, high] = [j, j + 4];
    out[to + low] = scaleLevels[low] | ((scaleLevels[high] >> 4) << 6);
    out[to + low + 4] = minimumLevels[low] | ((minimumLevels[high] >> 4) << 6);
    out[to + low + 8] = (scaleLevels[high] & 15) | ((minimumLevels[high] & 15) << 4);
  }
}

/** Levels against the scales and minima as they are stored. */
function requantise(nmax: number, x: Float32Array, at: number, d: number, dmin: number): void {
  for (let j = 0; j < 8; j++) {
    const step = fround(d * scaleLevels[j]);
    if (step === 0) continue;
    const minimum = fround(dmin * minimumLevels[j]);
    for (let i = 32 * j; i < 32 * j + 32; i++)
      levels[i] = clamp(nearestInt(fround(fround(x[at + i] + minimum) / step)), 0, nmax);
  }
}
