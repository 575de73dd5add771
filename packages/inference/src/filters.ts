/*
 * What a sampler does to the scores of the next token, one function a step, each in place over float64 scores [V]. A removed token
 * has the score −Infinity; at least one always stays. The meanings are those of Hugging Face transformers (logits processors), which
 * for top-p is Meta's rule too: a token stays while the probability before it is below p.
 *
 * Every step takes scores of which none is NaN or +Infinity and one at least is finite, and leaves such scores, whatever its number
 * is within its bounds: what would overflow stays the largest number there is.
 */

/**
 * Scores of ids that occurred are divided by `penalty` where positive, else multiplied (Keskar et
 * al. 2019, §4.1); once per id.
 */
export function penalizeRepetition(scores: Float64Array, ids: ArrayLike<number>, penalty: number): void {
  for (const id of new Set(Array.from(ids))) {
    const score = scores[id] as number;
    scores[id] = bounded(score, score >= 0 ? score / penalty : score * penalty);
  }
}

/**
 * score −= presence (if generated before) + frequency · (how often)        (OpenAI's and vLLM's
 * rule: generated ids only)
 */
export function penalizeGenerated(
  scores: Float64Array,
  generated: ArrayLike<number>,
  penalty: { readonly presence: number; readonly frequency: number },
): void {
  const counts = new Map<number, number>();
  for (let i = 0; i < generated.length; i++) {
    const id = generated[i] as number;
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  for (const [id, count] of counts) {
    const score = scores[id] as number;
    scores[id] = bounded(score, score - penalty.presence - penalty.frequency * count);
  }
}

/** What became of a score; a finite one stays finite, so that a penalty alone never removes a token. */
function bounded(score: number, changed: number): number {
  if (!Number.isFinite(score)) return score;
  return Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, changed));
}

/** score /= temperature                                                     temperature > 0 */
export function scaleByTemperature(scores: Float64Array, temperature: number): void {
  divide(scores, temperature, maxOf(scores));
}

/** `scaleByTemperature` where the largest score is known. */
export function divide(scores: Float64Array, temperature: number, largest: number): void {
  // Only differences matter: where quotients overflow, the best score is 0 and what lies further
  // below than a double is removed.
  const origin = Number.isFinite(largest / temperature) ? 0 : largest;
  for (let i = 0; i < scores.length; i++) scores[i] = ((scores[i] as number) - origin) / temperature;
}

/** Keeps the k largest, and everything equal to the smallest of them. */
export function keepTopK(scores: Float64Array, k: number): void {
  if (k >= scores.length) return;
  const least = kthLargest(scores, k);
  for (let i = 0; i < scores.length; i++) if ((scores[i] as number) < least) scores[i] = -Infinity;
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
  while (at > 0 && before < p * total) before += sorted[--at] as number;
  at = Math.min(at, sorted.length - 1); // p = 0 keeps the first
  const least = sorted[at] as number;
  let ties = 0;
  while (at < sorted.length && sorted[at++] === least) ties++;
  for (let i = 0; i < scores.length; i++) {
    const weight = weights[i] as number;
    if (weight < least || (weight === least && ties-- <= 0)) scores[i] = -Infinity;
  }
}

/** Keeps tokens at least p times as probable as the most probable one (Nguyen et al. 2024). */
export function keepMinP(scores: Float64Array, p: number): void {
  const least = maxOf(scores) + Math.log(p);
  for (let i = 0; i < scores.length; i++) if ((scores[i] as number) < least) scores[i] = -Infinity;
}

/** Index of the largest score, the first of equals. NaN when any score is NaN. */
export function argmax(scores: ArrayLike<number>): number {
  let best = 0;
  for (let i = 0; i < scores.length; i++) {
    const score = scores[i] as number;
    if (score !== score) return NaN;
    if (score > (scores[best] as number)) best = i;
  }
  return best;
}

/**
 * scores = exp(scores − max), which are probabilities but for the factor 1 / sum; returns the sum,
 * in the order of the ids.
 */
export function exponentiate(scores: Float64Array): number {
  const max = maxOf(scores);
  let sum = 0;
  for (let i = 0; i < scores.length; i++) {
    const weight = Math.exp((scores[i] as number) - max);
    scores[i] = weight;
    sum += weight;
  }
  return sum;
}

/** The token whose share of [0, total) holds u · total.                     weights ≥ 0, u in [0, 1) */
export function draw(weights: Float64Array, total: number, u: number): number {
  let left = u * total;
  let last = 0;
  for (let i = 0; i < weights.length; i++) {
    const weight = weights[i] as number;
    if (weight === 0) continue;
    if (left < weight) return i;
    left -= weight;
    last = i;
  }
  return last; // rounding of the sum
}

function maxOf(scores: Float64Array): number {
  let max = -Infinity;
  for (let i = 0; i < scores.length; i++) if ((scores[i] as number) > max) max = scores[i] as number;
  return max;
}

/** With the k largest seen so far in a heap whose root is the least of them. */
function kthLargest(scores: Float64Array, k: number): number {
  const heap = scores.slice(0, k).sort();
  for (let i = k; i < scores.length; i++) {
    const score = scores[i] as number;
    if (score <= (heap[0] as number)) continue;
    let at = 0;
    for (let child = 1; child < k; child = 2 * at + 1) {
      if (child + 1 < k && (heap[child + 1] as number) < (heap[child] as number)) child++;
      if ((heap[child] as number) >= score) break;
      heap[at] = heap[child] as number;
      at = child;
    }
    heap[at] = score;
  }
  return heap[0] as number;
}
