import type { Kernels } from '../kernels.ts';
import type { Memory } from './memory.ts';

export function ropeKernels(memory: Memory): Pick<Kernels, 'rope'> {
  return {
    rope(y, x, positions, table, { heads, pairing, inverse = false }) {
      const E = table.columns;
      const place = memory.integers(positions);
      const input = memory.numbers(x);
      const output = memory.target(y);
      const turns = memory.numbers(table);
      const [step, apart] = pairing === 'adjacent' ? [2, 1] : [1, E / 2];
      for (let t = 0; t < place.length; t++) {
        for (let h = 0; h < heads; h++) {
          for (let j = 0; j < E / 2; j++) {
            const cos = turns[place[t] * E + 2 * j];
            const sin = inverse ? -turns[place[t] * E + 2 * j + 1] : turns[place[t] * E + 2 * j + 1];
            const first = (t * heads + h) * E + step * j;
            const a = input[first];
            const b = input[first + apart];
            output[first] = a * cos - b * sin;
            output[first + apart] = a * sin + b * cos;
          }
        }
      }
      memory.store(y, output);
    },
  };
}
