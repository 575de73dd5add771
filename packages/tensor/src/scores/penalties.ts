import { bounded } from './scores.ts';

/** Ids that occurred, each once, and how often presence and frequency penalties count them. */
export interface SeenIds {
  readonly seen: ArrayLike<number>;
  readonly times: ArrayLike<number>;
}

/**
 * The three penalties of ids that occurred:                                 scores: [V]
 *   score is divided by `repetition` where positive, else multiplied (Keskar et al. 2019, §4.1);
 *   then, where `times` > 0, score −= presence + frequency · times (OpenAI's rule)
 */
export function penalizeSeen(
  scores: Float64Array,
  { seen, times }: SeenIds,
  penalty: { readonly repetition: number; readonly presence: number; readonly frequency: number },
): void {
  const { repetition, presence, frequency } = penalty;
  for (let i = 0; i < seen.length; i++) {
    const id = seen[i];
    let score = scores[id];
    if (repetition !== 1) score = bounded(score, score >= 0 ? score / repetition : score * repetition);
    if (times[i] > 0) score = bounded(score, score - presence - frequency * times[i]);
    scores[id] = score;
  }
}
