import { nearestInt } from './rounding.ts';

/*
 * The searches behind ggml's block formats (ggml-quants.c make_qx_quants, make_qkx2_quants /
 * make_qkx3_quants, make_qp_quants): several scales are tried, the one with the least weighted
 * squared error stays. Every operation is rounded to float32 in ggml's order.
 */

const { fround } = Math;

/** Values that are all smaller count as zero. */
export const GROUP_MAX_EPS = fround(1e-15);

/** What a search finds besides its scale. */
export interface Found {
  /** −min of the run, never negative (searches with a minimum only). */
  minimum: number;
}

/**
 * Signed integers −nmax … nmax − 1 with one scale; `levels` get them shifted by nmax. Weights:
 * `weights` from `weightAt`, or x². Returns the scale; 0 where all values are.
 */
export function searchScale(
  n: number,
  nmax: number,
  x: Float32Array,
  at: number,
  levels: Uint8Array,
  to: number,
  weights?: Float32Array,
  weightAt = 0,
): number {
  let max = 0;
  let amax = 0;
  for (let i = 0; i < n; i++) {
    const magnitude = Math.abs(x[at + i]);
    if (magnitude > amax) [amax, max] = [magnitude, x[at + i]];
  }
  if (amax < GROUP_MAX_EPS) {
    levels.fill(0, to, to + n);
    return 0;
  }
  let scale = 0;
  let best = 0;
  for (let attempt = 0; attempt < 19; attempt++) {
    const step = attempt === 0 ? 0 : attempt <= 9 ? attempt - 10 : attempt - 9;
    const iscale =
      attempt === 0 ? fround(-nmax / max) : fround(-fround(nmax + fround(fround(0.1) * step)) / max);
    let sumlx = 0;
    let suml2 = 0;
    for (let i = 0; i < n; i++) {
      const value = x[at + i];
      const l = clamp(nearestInt(fround(iscale * value)), -nmax, nmax - 1);
      const w = weights ? weights[weightAt + i] : fround(value * value);
      sumlx = fround(sumlx + fround(fround(w * value) * l));
      suml2 = fround(suml2 + fround(fround(w * l) * l));
    }
    const better = attempt === 0 || (suml2 > 0 && fround(sumlx * sumlx) > fround(best * suml2));
    if (!better) continue;
    for (let i = 0; i < n; i++)
      levels[to + i] = nmax + clamp(nearestInt(fround(iscale * x[at + i])), -nmax, nmax - 1);
    scale = suml2 === 0 ? 0 : fround(sumlx / suml2);
    best = fround(scale * sumlx);
  }
  return scale;
}

/** Which scales are tried: (rmin + rdelta · s + nmax) / range, s = 0 … nstep. */
export interface Tries {
  readonly rmin: number;
  readonly rdelta: number;
  readonly nstep: number;
}

const trial = new Uint8Array(32);

/**
 * Integers 0 … nmax with a scale and a minimum at most 0, weights given. Returns the scale, −minimum in `found`.
 */
export function searchScaleAndMinimum(
  n: number,
  nmax: number,
  x: Float32Array,
  at: number,
  weights: Float32Array,
  levels: Uint8Array,
  to: number,
  found: Found,
  tries: Tries,
): number {
  let min = x[at];
  let max = x[at];
  let sumW = weights[0];
  let sumX = fround(sumW * x[at]);
  for (let i = 1; i < n; i++) {
    const value = x[at + i];
    if (value < min) min = value;
    if (value > max) max = value;
    sumW = fround(sumW + weights[i]);
    sumX = fround(sumX + fround(weights[i] * value));
  }
  if (min > 0) min = 0;
  if (max <= min) {
    levels.fill(0, to, to + n);
    found.minimum = -min;
    return 0;
  }
  const range = fround(max - min);
  const [rmin, rdelta] = [fround(tries.rmin), fround(tries.rdelta)];
  let iscale = fround(nmax / range);
  let scale = fround(1 / iscale);
  let least = 0;
  for (let i = 0; i < n; i++) {
    const value = x[at + i];
    const l = clamp(nearestInt(fround(iscale * fround(value - min))), 0, nmax);
    levels[to + i] = l;
    const diff = fround(fround(fround(scale * l) + min) - value);
    least = fround(least + fround(weights[i] * fround(diff * diff)));
  }
  for (let step = 0; step <= tries.nstep; step++) {
    // As ggml has it, the range is taken from the minimum found so far.
    iscale = fround(fround(fround(rmin + fround(rdelta * step)) + nmax) / fround(max - min));
    let sumL = 0;
    let sumL2 = 0;
    let sumXL = 0;
    for (let i = 0; i < n; i++) {
      const value = x[at + i];
      const l = clamp(nearestInt(fround(iscale * fround(value - min))), 0, nmax);
      trial[i] = l;
      const wl = fround(weights[i] * l);
      sumL = fround(sumL + wl);
      sumL2 = fround(sumL2 + fround(wl * l));
      sumXL = fround(sumXL + fround(wl * value));
    }
    const D = fround(fround(sumW * sumL2) - fround(sumL * sumL));
    if (!(D > 0)) continue;
    let tryScale = fround(fround(fround(sumW * sumXL) - fround(sumX * sumL)) / D);
    let tryMin = fround(fround(fround(sumL2 * sumX) - fround(sumL * sumXL)) / D);
    if (tryMin > 0) {
      tryMin = 0;
      tryScale = fround(sumXL / sumL2);
    }
    let error = 0;
    for (let i = 0; i < n; i++) {
      const diff = fround(fround(fround(tryScale * trial[i]) + tryMin) - x[at + i]);
      error = fround(error + fround(weights[i] * fround(diff * diff)));
    }
    if (error < least) {
      for (let i = 0; i < n; i++) levels[to + i] = trial[i];
      least = error;
      scale = tryScale;
      min = tryMin;
    }
  }
  found.minimum = -min;
  return scale;
}

/**
 * Integers 0 … nmax for values that are not negative (the scales of sub-blocks), weights given.
 * Returns their scale.
 */
export function searchPositive(
  n: number,
  nmax: number,
  x: Float32Array,
  levels: Uint8Array,
  weights: Float32Array,
): number {
  let max = 0;
  for (let i = 0; i < n; i++) max = Math.max(max, x[i]);
  if (max < GROUP_MAX_EPS) {
    levels.fill(0, 0, n);
    return 0;
  }
  let iscale = fround(nmax / max);
  let least = squaredError(n, Infinity, x, weights, iscale);
  for (let step = -4; step <= 4; step++) {
    if (step === 0) continue;
    const attempt = fround(fround(fround(fround(0.1) * step) + nmax) / max);
    const error = squaredError(n, nmax, x, weights, attempt);
    if (error < least) [least, iscale] = [error, attempt];
  }
  let sumlx = 0;
  let suml2 = 0;
  for (let i = 0; i < n; i++) {
    const l = Math.min(nmax, nearestInt(fround(iscale * x[i])));
    levels[i] = l;
    sumlx = fround(sumlx + fround(fround(weights[i] * x[i]) * l));
    suml2 = fround(suml2 + fround(fround(weights[i] * l) * l));
  }
  for (let round = 0; round < 5; round++) {
    let changed = 0;
    for (let i = 0; i < n; i++) {
      const w = weights[i];
      const wx = fround(w * x[i]);
      let slx = fround(sumlx - fround(wx * levels[i]));
      let sl2 = fround(suml2 - fround(fround(w * levels[i]) * levels[i]));
      if (!(slx > 0 && sl2 > 0)) continue;
      const l = Math.min(nmax, nearestInt(fround(fround(x[i] * sl2) / slx)));
      if (l === levels[i]) continue;
      slx = fround(slx + fround(wx * l));
      sl2 = fround(sl2 + fround(fround(w * l) * l));
      if (fround(fround(slx * slx) * suml2) > fround(fround(sumlx * sumlx) * sl2)) {
        [levels[i], sumlx, suml2] = [l, slx, sl2];
        changed++;
      }
    }
    if (changed === 0) break;
  }
  return suml2 > 0 ? fround(sumlx / suml2) : 0;
}

function squaredError(
  n: number,
  most: number,
  x: Float32Array,
  weights: Float32Array,
  iscale: number,
): number {
  const scale = fround(1 / iscale);
  let error = 0;
  for (let i = 0; i < n; i++) {
    const l = Math.min(most, nearestInt(fround(iscale * x[i])));
    const diff = fround(x[i] - fround(scale * l));
    error = fround(error + fround(fround(weights[i] * diff) * diff));
  }
  return error;
}

export function clamp(value: number, least: number, most: number): number {
  return value < least ? least : value > most ? most : value;
}
