import { uniforms } from '@cria/tensor';
import { describe, expect, test } from 'vitest';
import { cpu, cpuAvailability } from '../src/index.ts';

/*
 * Chunks of a command are cut into lanes, one a thread and sixteen at most; threads that are done
 * with theirs take those of others.
 */

const { isas } = cpuAvailability();
const [ROWS, C, N] = [3, 512, 4096];

function random(length: number, stream: number): Float32Array {
  const values = new Float64Array(length);
  uniforms({ seed: 3, stream, start: 0 }, values);
  return Float32Array.from(values, (u) => 2 * u - 1);
}

describe.runIf(isas.length > 0)('lanes', () => {
  test('hand out every chunk once, to more threads than lanes and to fewer than before', async () => {
    const [values, weights] = [random(ROWS * C, 1), random(N * C, 2)];
    const run = async (threads: number) => {
      using device = cpu({ threads });
      const x = device.tensor(values, [ROWS, C], 'f32');
      const w = device.pack(device.tensor(weights, [N, C], 'f32'));
      const y = device.tensor(new Float32Array(ROWS * N).fill(1), [ROWS, N], 'f32');
      // A chunk that ran twice, or not at all, would show in the sums.
      for (let i = 0; i < 20; i++) device.kernels.linear(y, x, w, { residual: y });
      return y.toFloat32();
    };
    const alone = await run(1);
    for (const threads of [2, 20, 3, 16, 17, 1, 5])
      expect(await run(threads), `${threads} threads`).toEqual(alone);
  });
});
