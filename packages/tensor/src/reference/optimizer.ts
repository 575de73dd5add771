import type { Kernels } from '../kernels.ts';
import type { Memory } from './memory.ts';

/** Elements whose squares are summed together, counted from the tensor's first. */
const GRID = 4096;

export function optimizerKernels(memory: Memory): Pick<Kernels, 'sumSquares' | 'adamw'> {
  return {
    sumSquares(out, x) {
      const input = memory.numbers(x);
      const output = memory.target(out);
      let total = 0;
      for (let start = 0; start < input.length; start += GRID) {
        let sum = 0;
        for (let i = start; i < Math.min(start + GRID, input.length); i++) sum += input[i] * input[i];
        total += sum;
      }
      output[0] = total;
      memory.store(out, output);
    },

    adamw(value, gradient, firstMoment, secondMoment, settings, copy) {
      const { learningRate, beta1, beta2, epsilon, weightDecay, gradientScale, step } = settings;
      const p = memory.numbers(value);
      const grad = memory.numbers(gradient);
      const m = memory.numbers(firstMoment);
      const v = memory.numbers(secondMoment);
      const decay = 1 - learningRate * weightDecay;
      const stepSize = learningRate / (1 - beta1 ** step);
      const correction = Math.sqrt(1 - beta2 ** step);
      for (let i = 0; i < p.length; i++) {
        const g = grad[i] * gradientScale;
        m[i] = beta1 * m[i] + (1 - beta1) * g;
        v[i] = beta2 * v[i] + (1 - beta2) * g * g;
        p[i] = p[i] * decay - stepSize * (m[i] / (Math.sqrt(v[i]) / correction + epsilon));
      }
      if (copy) memory.store(copy, p);
    },
  };
}
