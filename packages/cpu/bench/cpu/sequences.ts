import type { CpuDevice } from '@cria/cpu';
import { indices, type Preset, random, type Works } from './work.ts';

/** Attention over packed sequences, forward and backward. */
export function* attention(device: CpuDevice, { T, sequences, D, H }: Preset): Works {
  const { kernels } = device;
  const tensor = () => random(device, T, D);
  const [q, k, v, out] = [tensor(), tensor(), tensor(), tensor()];
  const [dout, dq, dk, dv] = [tensor(), tensor(), tensor(), tensor()];
  const lse = device.empty([T, H], 'f32');
  const starts = Array.from({ length: sequences + 1 }, (_, s) => (s * T) / sequences);
  const segments = device.tensor(starts, [sequences + 1], 'i32');
  const shape = { heads: H, kvHeads: H };
  // Half of the square, multiplied and added: scores and values.
  const pairs = (T * (T / sequences) * D) / 2;
  const rest = { unit: 'GFLOP/s', target: 0.4 } as const;
  yield {
    ...rest,
    name: 'attention',
    work: 4 * pairs,
    encode: () => kernels.attention(out, lse, q, k, v, segments, shape),
  };
  yield {
    ...rest,
    name: 'attentionGrad',
    work: 10 * pairs,
    encode: () => kernels.attentionGrad(dq, dk, dv, dout, q, k, v, out, lse, segments, shape),
  };
}

/** Linear + cross entropy over the whole vocabulary, forward and both ways. */
export function* losses(device: CpuDevice, { T, D, V }: Preset): Works {
  const { kernels } = device;
  const [x, dx] = [random(device, T, D), random(device, T, D)];
  const [w, dw] = [random(device, V, D), random(device, V, D)];
  const each = device.empty([T], 'f32');
  const targets = indices(device, T, (t) => (t * 131) % V);
  const rest = { unit: 'GFLOP/s', target: 0.6 } as const;
  yield {
    ...rest,
    name: 'linearCrossEntropy forward',
    work: 2 * T * V * D,
    encode: () => kernels.linearCrossEntropy(each, x, w, targets),
  };
  yield {
    ...rest,
    name: 'linearCrossEntropy',
    work: 6 * T * V * D,
    encode: () => kernels.linearCrossEntropy(each, x, w, targets, { dx, dw }),
  };
}
