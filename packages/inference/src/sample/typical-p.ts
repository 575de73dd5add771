import { leastReaching } from './least-reaching.ts';
import { entropyOf, probabilitiesOf } from './probabilities.ts';
import type { Stage } from './stage.ts';

/**
 * Locally typical sampling (Meister et al. 2023): the tokens whose surprise −log p lies nearest to
 * its mean, the entropy, until their mass reaches `mass`; all equals of the last one stay, as in
 * Hugging Face's.
 */
export function typicalP(mass: number): Stage | undefined {
  if (mass === 1) return undefined;
  return (scores) => {
    const probabilities = probabilitiesOf(scores);
    const entropy = entropyOf(probabilities);
    // What has no probability is infinitely far away.
    const distances = probabilities.map((p) => Math.abs(-Math.log(p) - entropy));
    const most = leastReaching(distances, probabilities, mass);
    for (let i = 0; i < scores.length; i++) if (distances[i]! > most) scores[i] = -Infinity;
  };
}
