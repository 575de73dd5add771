import { dtypes } from '../dtype.ts';
import { fail } from '../errors.ts';
import type { Kernels } from '../kernels.ts';
import { describe } from '../tensor.ts';
import type { Memory } from './memory.ts';

export function elementwiseKernels(
  memory: Memory,
): Pick<Kernels, 'add' | 'addBias' | 'biasGrad' | 'cast' | 'fill'> {
  return {
    add(y, a, b) {
      const left = memory.numbers(a);
      const right = memory.numbers(b);
      const output = memory.target(y);
      for (let i = 0; i < output.length; i++) output[i] = left[i] + right[i];
      memory.store(y, output);
    },

    addBias(y, bias) {
      const [rows, added] = [memory.numbers(y), memory.numbers(bias)];
      const output = memory.target(y);
      for (let i = 0; i < output.length; i++) output[i] = rows[i] + added[i % added.length];
      memory.store(y, output);
    },

    biasGrad(dbias, dy) {
      const upstream = memory.numbers(dy);
      const gradient = memory.numbers(dbias);
      for (let i = 0; i < upstream.length; i++) gradient[i % gradient.length] += upstream[i];
      memory.store(dbias, gradient);
    },

    cast(y, x) {
      if (y.dtype === x.dtype) memory.bytes(y).set(memory.bytes(x));
      else memory.store(y, memory.numbers(x));
    },

    fill(y, value) {
      if (dtypes[y.dtype].blockSize > 1)
        fail('fill', `${describe(y)} holds quantised blocks.`, 'write its bytes');
      const output = memory.target(y);
      output.fill(value);
      memory.store(y, output);
    },
  };
}
