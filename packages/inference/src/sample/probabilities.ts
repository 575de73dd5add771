import { exponentiate, maxOf } from '@cria/tensor';

/** softmax(scores), 0 for what was removed.                                 [V] */
export function probabilitiesOf(scores: Float64Array): Float64Array {
  const weights = scores.slice();
  const total = exponentiate(weights);
  for (let i = 0; i < weights.length; i++) weights[i]! /= total;
  return weights;
}

/** −Σ p log p, in nats. */
export function entropyOf(probabilities: Float64Array): number {
  let entropy = 0;
  for (const p of probabilities) if (p > 0) entropy -= p * Math.log(p);
  return entropy;
}

/**
 * Scores as differences to the best one, 0 or less; −Infinity where they lie further below than a
 * double.
 */
export function belowBest(scores: Float64Array): Float64Array {
  const best = maxOf(scores);
  return scores.map((score) => score - best);
}
