import { belowBest } from './probabilities.ts';
import type { Stage } from './stage.ts';

/** Scores at most n standard deviations of all below the best (Tang et al. 2024); 0 keeps all. */
export function topNSigma(n: number): Stage | undefined {
  if (n === 0) return undefined;
  return (scores) => {
    const below = belowBest(scores);
    let count = 0;
    for (const each of below) if (each > -Infinity) count++;
    // Divided before they are added: sums of scores may be more than a double holds.
    let mean = 0;
    for (const each of below) if (each > -Infinity) mean += each / count;
    let variance = 0;
    for (const each of below) if (each > -Infinity) variance += (each - mean) ** 2 / count;
    const least = -n * Math.sqrt(variance);
    for (let i = 0; i < scores.length; i++) if (below[i]! < least) scores[i] = -Infinity;
  };
}
