import { exponentiate, maxOf } from './scores.ts';

/*
 * The samplers that remove tokens by rank, each in place over float64 scores [V]. The meanings are
 * those of Hugging Face transformers, which for top-p is Meta's rule too: a token stays while the
 * probability before it is below p. Every one takes scores of which none is NaN or +Infinity and
 * one at least is finite, and leaves such scores.
 */

/** Keeps the k largest, and everything equal to the smallest of them. */
export function keepTopK(scores: Float64Array, k: number): void {
  if (k >= scores.length) return;
  const least = kthLargest(scores, k);
  for (let i = 0; i < scores.length; i++) if (scores[i] < least) scores[i] = -Infinity;
}

/**
 * Keeps the most probable tokens until their mass reaches p: each stays while the mass before it is
 * below p. Lower ids win ties.
 */
export function keepTopP(scores: Float64Array, p: number): void {
  if (p >= 1) return;
  const weights = scores.slice();
  const total = exponentiate(weights);
  // Tokens below this can not matter: all of them together have less than 1 − p of the mass.
  const negligible = ((1 - p) * total) / scores.length;
  const sorted = weights.filter((weight) => weight >= negligible).sort();

  let before = 0;
  let at = sorted.length;
  while (at > 0 && before < p * total) before += sorted[--at];
  at = Math.min(at, sorted.length - 1); // p = 0 keeps the first
  const least = sorted[at];
  let ties = 0;
  while (at < sorted.length && sorted[at++] === least) ties++;
  for (let i = 0; i < scores.length; i++) {
    const weight = weights[i];
    if (weight < least || (weight === least && ties-- <= 0)) scores[i] = -Infinity;
  }
}

/** Keeps tokens at least p times as probable as the most probable one (Nguyen et al. 2024). */
export function keepMinP(scores: Float64Array, p: number): void {
  const least = maxOf(scores) + Math.log(p);
  for (let i = 0; i < scores.length; i++) if (scores[i] < least) scores[i] = -Infinity;
}

/** With the k largest seen so far in a heap whose root is the least of them. */
function kthLargest(scores: Float64Array, k: number): number {
  const heap = scores.slice(0, k).sort();
  for (let i = k; i < scores.length; i++) {
    const score = scores[i];
    if (score <= heap[0]) continue;
    let at = 0;
    for (let child = 1; child < k; child = 2 * at + 1) {
      if (child + 1 < k && heap[child + 1] < heap[child]) child++;
      if (heap[child] >= score) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = score;
  }
  return heap[0];
}
