import { argmax, scaleByTemperature } from '@cria/tensor';
import { GREEDY_BELOW } from './greedy.ts';
import { entropyOf, probabilitiesOf } from './probabilities.ts';
import type { Stage } from './stage.ts';

/**
 * A temperature from `temperature − range` to `temperature + range`, by the entropy of what is left
 * as a share of that of as many equals:
 * low where the model is sure.        T = low + (high − low) · (H / log n)^exponent
 */
export function dynamicTemperature(temperature: number, range: number, exponent: number): Stage {
  const low = Math.max(0, temperature - range);
  const high = Math.min(Number.MAX_VALUE, temperature + range);
  return (scores) => {
    let candidates = 0;
    for (const score of scores) if (score > -Infinity) candidates++;
    if (candidates < 2) return;
    const share = Math.min(1, entropyOf(probabilitiesOf(scores)) / Math.log(candidates));
    const value = Math.min(high, low + (high - low) * share ** exponent);
    if (value >= GREEDY_BELOW) scaleByTemperature(scores, value);
    else keepOnly(scores, argmax(scores));
  };
}

function keepOnly(scores: Float64Array, id: number): void {
  const score = scores[id]!;
  scores.fill(-Infinity);
  scores[id] = score;
}
