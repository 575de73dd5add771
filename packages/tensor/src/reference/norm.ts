import type { Kernels } from '../kernels.ts';
import { type Memory, rounder } from './memory.ts';

export function normKernels(memory: Memory, rowChunk: number): Pick<Kernels, 'rmsNorm' | 'rmsNormGrad'> {
  return {
    rmsNorm(y, rstd, x, gain, { eps }) {
      const D = x.columns;
      const input = memory.numbers(x);
      const scale = memory.numbers(gain);
      const output = memory.target(y);
      const kept = rstd && memory.target(rstd);
      const round = rounder(x.dtype);
      for (let t = 0; t < x.rows; t++) {
        const at = t * D;
        let sum = 0;
        for (let d = 0; d < D; d++) sum += input[at + d] * input[at + d];
        const r = 1 / Math.sqrt(sum / D + eps);
        if (kept) kept[t] = r;
        // As in LLaMA: the normalised row is rounded to x's dtype before the gain.
        for (let d = 0; d < D; d++) output[at + d] = round(input[at + d] * r) * scale[d];
      }
      memory.store(y, output);
      if (rstd && kept) memory.store(rstd, kept);
    },

    rmsNormGrad(dx, dgain, dy, x, gain, rstd, { accumulate = false } = {}) {
      const D = x.columns;
      const upstream = memory.numbers(dy);
      const input = memory.numbers(x);
      const scale = memory.numbers(gain);
      const kept = memory.numbers(rstd);
      const output = accumulate ? memory.numbers(dx) : memory.target(dx);
      const gainGradient = dgain && memory.numbers(dgain);
      const chunk = new Float64Array(D);
      for (let t = 0; t < x.rows; t++) {
        const at = t * D;
        const r = kept[t];
        let mean = 0;
        for (let d = 0; d < D; d++) mean += upstream[at + d] * scale[d] * input[at + d] * r;
        mean /= D;
        for (let d = 0; d < D; d++) {
          const normalised = input[at + d] * r;
          const dyd = upstream[at + d];
          const value = r * (dyd * scale[d] - normalised * mean);
          chunk[d] += dyd * normalised;
          output[at + d] = accumulate ? output[at + d] + value : value;
        }
        const chunkEnds = (t + 1) % rowChunk === 0 || t + 1 === x.rows;
        if (gainGradient && chunkEnds) {
          for (let d = 0; d < D; d++) gainGradient[d] += chunk[d];
          chunk.fill(0);
        }
      }
      memory.store(dx, output);
      if (dgain && gainGradient) memory.store(dgain, gainGradient);
    },
  };
}
