import { probabilitiesOf } from './probabilities.ts';
import type { Stage } from './stage.ts';

/**
 * Exclude top choices: now and then (`probability`) all tokens that reach `threshold` go but the
 * least probable of them, where there are several. Equals of that one stay.
 */
export function xtc(probability: number, threshold: number): Stage | undefined {
  if (probability === 0 || threshold > 0.5) return undefined;
  return (scores, place) => {
    if (place.uniform('xtc') >= probability) return;
    const probabilities = probabilitiesOf(scores);
    let least = Infinity;
    for (const p of probabilities) if (p >= threshold && p > 0 && p < least) least = p;
    if (least === Infinity) return;
    for (let i = 0; i < scores.length; i++) if (probabilities[i]! > least) scores[i] = -Infinity;
  };
}
