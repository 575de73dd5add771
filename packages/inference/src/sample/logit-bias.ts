import { bounded } from '@cria/tensor';
import type { Sampling } from './options.ts';
import type { Stage } from './stage.ts';

/** score += bias */
export function logitBias(biases: Sampling['logitBias']): Stage | undefined {
  if (biases.length === 0) return undefined;
  return (scores) => {
    for (const [id, bias] of biases) {
      const score = scores[id] ?? -Infinity;
      if (id < scores.length) scores[id] = bounded(score, score + bias);
    }
  };
}
