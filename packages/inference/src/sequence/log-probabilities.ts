/** How likely ids were at one place of a text, in natural logarithms, before any sampling option. */
export interface TokenLogProbability {
  /** The id that stands there. */
  readonly id: number;
  readonly logProbability: number;
  /** Place of the id among all, from 0: how many are likelier, or as likely with a lower id. */
  readonly rank: number;
  /** The likeliest ids, best first (equals by id), as many as were asked for. */
  readonly top: readonly { readonly id: number; readonly logProbability: number }[];
}

/**
 * Log-softmax of one row, in double precision, and what is wanted of it.                       logits: [V]
 *
 *     log p(i) = x(i) − max − log Σ exp(x − max)
 */
export function logProbabilitiesOf(logits: Float32Array, id: number, top: number): TokenLogProbability {
  let largest = -Infinity;
  for (const logit of logits) if (logit > largest) largest = logit;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - largest);
  const logSum = Math.log(sum);
  // In this order: a large logit would swallow the logarithm.
  const logOf = (logit: number) => logit - largest - logSum;
  const own = logits[id] ?? NaN;
  let rank = 0;
  for (let i = 0; i < logits.length; i++) {
    const logit = logits[i] ?? NaN;
    if (logit > own || (logit === own && i < id)) rank++;
  }
  const best = likeliest(logits, top).map((each) => ({
    id: each,
    logProbability: logOf(logits[each] ?? NaN),
  }));
  return { id, logProbability: logOf(own), rank, top: best };
}

/** Ids of the `count` largest, best first, lower ids before equals. */
function likeliest(logits: Float32Array, count: number): number[] {
  const best: number[] = [];
  if (count === 0) return best;
  const before = (a: number, b: number) => (logits[a] ?? NaN) > (logits[b] ?? NaN);
  for (let id = 0; id < logits.length; id++) {
    const last = best.at(-1);
    if (best.length === count && last !== undefined && !before(id, last)) continue;
    // Few are asked for, and fewer and fewer get this far: insertion is as good as a heap.
    let place = best.length;
    while (place > 0 && before(id, best[place - 1] ?? id)) place--;
    best.splice(place, 0, id);
    if (best.length > count) best.pop();
  }
  return best;
}
