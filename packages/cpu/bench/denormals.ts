/*
 * Kernels on numbers below 2⁻¹²⁶ beside the same kernels on ordinary numbers: some processors take
 * a hundred times as long for them.
 *
 *   npm run bench -- denormals [--json] [--isa auto] [--rounds 9]
 *
 * One thread; both kinds take turns; medians in microseconds. Some results are denormal too, others
 * are not: products by ordinary weights are, normalised rows are not.
 */
import { parseArgs } from 'node:util';
import { cpu, type IsaName } from '@cria/cpu';
import { median, report } from '../../../scripts/support/report.ts';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    isa: { type: 'string', default: 'auto' },
    rounds: { type: 'string', default: '9' },
  },
});

const [T, N, C, H] = [256, 512, 512, 8];
const LENGTH = 1 << 18;

using device = cpu({ threads: 1, isa: values.isa as 'auto' | IsaName });
const wave = (length: number, scale: number) =>
  Float32Array.from({ length }, (_, i) => Math.sin(12.9 * i + 1) * scale);

/** Every kernel as a function that encodes it, over operands of this size. */
function kernels(scale: number): Record<string, () => void> {
  const { kernels: k } = device;
  const tensor = (shape: readonly number[], size = scale, dtype: 'f32' | 'bf16' = 'f32') =>
    device.tensor(
      wave(
        shape.reduce((a, b) => a * b),
        size,
      ),
      shape,
      dtype,
    );
  const [x, w, y] = [tensor([T, C]), tensor([N, C], 1), device.empty([T, N], 'f32')];
  const halves = device.pack(tensor([N, C], 1, 'bf16'));
  const [a, b, out] = [tensor([LENGTH]), tensor([LENGTH]), device.empty([LENGTH], 'f32')];
  const [gain, normed] = [tensor([C], 1), device.empty([T, C], 'f32')];
  const [moment, square] = [tensor([LENGTH]), device.empty([LENGTH], 'f32')];
  square.write(wave(LENGTH, scale).map(Math.abs));
  const starts = device.tensor([0, T], [2], 'i32');
  const [q, key, value] = [tensor([T, C]), tensor([T, C]), tensor([T, C])];
  const [attended, lse] = [device.empty([T, C], 'f32'), device.empty([T, H], 'f32')];
  // Moments shrink by less than half in all the rounds: what is denormal stays so.
  const settings = {
    learningRate: 1e-9,
    beta1: 0.99,
    beta2: 0.99,
    epsilon: 1e-8,
    weightDecay: 0,
    gradientScale: 1,
    step: 9,
  };
  return {
    'linear f32': () => k.linear(y, x, w),
    'linear bf16': () => k.linear(y, x, halves),
    linearGradInput: () => k.linearGradInput(x, y, w),
    swiglu: () => k.swiglu(out, a, b),
    add: () => k.add(out, a, b),
    rmsNorm: () => k.rmsNorm(normed, undefined, x, gain, { eps: 1e-5 }),
    attention: () => k.attention(attended, lse, q, key, value, starts, { heads: H, kvHeads: H }),
    adamw: () => k.adamw(out, b, moment, square, settings),
  };
}

const [ordinary, tiny] = [kernels(1), kernels(1e-39)];
for (const name of Object.keys(ordinary)) {
  const times: [number[], number[]] = [[], []];
  for (let round = -1; round < Number(values.rounds); round++) {
    [ordinary, tiny].forEach((kind, i) => {
      const start = performance.now();
      kind[name]!();
      void device.flush();
      if (round >= 0) times[i]!.push(performance.now() - start);
    });
  }
  const [peerValue, value] = times.map((list) => 1000 * median(list)) as [number, number];
  const row = { name: `denormals ${name}, ${device.isa}`, threads: 1, value, unit: 'µs' };
  report({ ...row, peer: 'ordinary numbers', peerValue, ratio: peerValue / value, target: 0.9 }, values.json);
}
