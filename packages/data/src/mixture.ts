import { fail } from '@cria/tensor';

/** Longest period of the order of sources. */
const MAX_PERIOD = 65536;

/**
 * Which source sample n comes from: a pure function of n and the weights. Weights become whole
 * numbers p_i with sum P, exactly where they are decimal fractions with a small common denominator,
 * else to 1/65536. Of P samples from a multiple of P, source i has p_i, and of the first n never a
 * whole sample more or less than n · p_i / P.
 */
export class Mixture {
  /** p_i. */
  readonly shares: readonly number[];
  /** P. */
  readonly period: number;
  /** Source of each place in the period, and how many samples it has had in the period before. */
  readonly #source: Uint16Array;
  readonly #before: Uint32Array;

  constructor(weights: readonly number[]) {
    for (const weight of weights)
      if (!(Number.isFinite(weight) && weight >= 0))
        fail('mixture', `weights are ${weights.join(', ')}.`, 'give numbers from 0');
    if (!weights.some((weight) => weight > 0))
      fail('mixture', `weights are ${weights.join(', ')}.`, 'at least one must be above 0');
    this.shares = wholeShares(weights);
    this.period = this.shares.reduce((sum, share) => sum + share, 0);
    this.#source = new Uint16Array(this.period);
    this.#before = new Uint32Array(this.period);
    const counts = this.shares.map(() => 0);
    for (let n = 0; n < this.period; n++) {
      const next = this.#next(counts, n);
      this.#source[n] = next;
      this.#before[n] = counts[next] ?? 0;
      counts[next] = (counts[next] ?? 0) + 1;
    }
  }

  /** The source of sample n, and the number of samples it has had before. */
  at(n: number): { readonly source: number; readonly draw: number } {
    const place = n % this.period;
    const source = this.#source[place] ?? 0;
    return {
      source,
      draw: Math.floor(n / this.period) * (this.shares[source] ?? 0) + (this.#before[place] ?? 0),
    };
  }

  /** Samples of a source among the first n. */
  drawn(source: number, n: number): number {
    const place = n % this.period;
    let count = Math.floor(n / this.period) * (this.shares[source] ?? 0);
    for (let i = 0; i < place; i++) if (this.#source[i] === source) count++;
    return count;
  }

  /**
   * Earliest deadline first among the sources whose next sample may come: sample k of a source with
   * rate w belongs into places floor(k / w) to ceil((k + 1) / w) (the windows of Pfair scheduling),
   * which always works out for rates that sum to 1.
   */
  #next(counts: readonly number[], n: number): number {
    let best = -1;
    let bestDeadline = Infinity;
    for (const [i, share] of this.shares.entries()) {
      const count = counts[i] ?? 0;
      if (count * this.period >= (n + 1) * share) continue;
      const deadline = Math.ceil(((count + 1) * this.period) / share);
      if (deadline < bestDeadline) [best, bestDeadline] = [i, deadline];
    }
    return best;
  }
}

function wholeShares(weights: readonly number[]): number[] {
  for (let scale = 1; scale <= 1e6; scale *= 10) {
    const scaled = weights.map((weight) => Math.round(weight * scale));
    if (!weights.every((weight, i) => Math.abs(weight * scale - (scaled[i] ?? 0)) < 1e-9 * scale)) continue;
    const divisor = scaled.reduce(greatestCommonDivisor, 0);
    const whole = scaled.map((share) => share / divisor);
    if (whole.reduce((sum, share) => sum + share, 0) <= MAX_PERIOD) return whole;
  }
  return roundedShares(weights);
}

/** Largest remainders; a source with a weight keeps at least one place. */
function roundedShares(weights: readonly number[]): number[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const exact = weights.map((weight) => (weight / total) * MAX_PERIOD);
  const shares = exact.map((share) => (share > 0 ? Math.max(1, Math.floor(share)) : 0));
  const byRemainder = exact
    .map((share, i) => ({ i, rest: share - (shares[i] ?? 0) }))
    .sort((a, b) => b.rest - a.rest || a.i - b.i);
  let missing = MAX_PERIOD - shares.reduce((sum, share) => sum + share, 0);
  for (const { i } of byRemainder) {
    if (missing <= 0) break;
    if ((exact[i] ?? 0) > 0) {
      shares[i] = (shares[i] ?? 0) + 1;
      missing--;
    }
  }
  return shares;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
