import type { Kernels } from '../kernels.ts';
import type { Memory } from './memory.ts';

export function swigluKernels(memory: Memory): Pick<Kernels, 'swiglu' | 'swigluGrad'> {
  return {
    swiglu(y, gate, up) {
      const g = memory.numbers(gate);
      const u = memory.numbers(up);
      const output = memory.target(y);
      for (let i = 0; i < output.length; i++) output[i] = (g[i] / (1 + Math.exp(-g[i]))) * u[i];
      memory.store(y, output);
    },

    swigluGrad(dgate, dup, dy, gate, up) {
      const upstream = memory.numbers(dy);
      const g = memory.numbers(gate);
      const u = memory.numbers(up);
      const gateGradient = memory.target(dgate);
      const upGradient = memory.target(dup);
      for (let i = 0; i < upstream.length; i++) {
        const gi = g[i];
        const sigmoid = 1 / (1 + Math.exp(-gi));
        const dyi = upstream[i];
        const dgi = dyi * u[i] * sigmoid * (1 + gi * (1 - sigmoid));
        upGradient[i] = dyi * gi * sigmoid;
        gateGradient[i] = dgi;
      }
      memory.store(dgate, gateGradient);
      memory.store(dup, upGradient);
    },
  };
}
