import { exponential } from './exponential.ts';

/*
 * Scores of the next token, float64 [V]: what every sampler is made of. A removed token has the
 * score −Infinity. Sums run in the order of the ids, so that the kernels of devices can have their
 * very bits.
 */

/** Index of the largest score, the first of equals. NaN when any score is NaN. */
export function argmax(scores: ArrayLike<number>): number {
  let best = 0;
  for (let i = 0; i < scores.length; i++) {
    const score = scores[i];
    if (score !== score) return NaN;
    if (score > scores[best]) best = i;
  }
  return best;
}

export function maxOf(scores: Float64Array): number {
  let max = -Infinity;
  for (let i = 0; i < scores.length; i++) if (scores[i] > max) max = scores[i];
  return max;
}

/**
 * scores = exp(scores − max), which are probabilities but for the factor 1 / sum; returns the sum,
 * in the order of the ids.
 */
export function exponentiate(scores: Float64Array): number {
  const max = maxOf(scores);
  let sum = 0;
  for (let i = 0; i < scores.length; i++) {
    const weight = exponential(scores[i] - max);
    scores[i] = weight;
    sum += weight;
  }
  return sum;
}

/**
 * The token whose share of [0, total) holds u · total.                     weights ≥ 0, u in [0, 1)
 */
export function draw(weights: Float64Array, total: number, u: number): number {
  let left = u * total;
  let last = 0;
  for (let i = 0; i < weights.length; i++) {
    const weight = weights[i];
    if (weight === 0) continue;
    if (left < weight) return i;
    left -= weight;
    last = i;
  }
  return last; // rounding of the sum
}

/**
 * What became of a score; a finite one stays finite, so that a penalty alone never removes a token.
 */
export function bounded(score: number, changed: number): number {
  if (!Number.isFinite(score)) return score;
  return Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, changed));
}

/** score /= temperature                                                     temperature > 0 */
export function scaleByTemperature(scores: Float64Array, temperature: number): void {
  divideScores(scores, temperature, maxOf(scores));
}

/** `scaleByTemperature` where the largest score is known. */
export function divideScores(scores: Float64Array, temperature: number, largest: number): void {
  // Only differences matter: where quotients overflow, the best score is 0 and what lies further
  // below than a double is removed.
  const origin = Number.isFinite(largest / temperature) ? 0 : largest;
  for (let i = 0; i < scores.length; i++) scores[i] = (scores[i] - origin) / temperature;
}

/** Removes the ids whose bit is 0; bit b of word w is id 32·w + b.           bits: [⌈V / 32⌉] */
export function keepMasked(scores: Float64Array, bits: ArrayLike<number>): void {
  for (let i = 0; i < scores.length; i++) {
    if (((bits[i >>> 5] >>> (i & 31)) & 1) === 0) scores[i] = -Infinity;
  }
}
