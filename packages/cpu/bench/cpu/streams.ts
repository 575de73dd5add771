import type { CpuDevice } from '@cria/cpu';
import { indices, type Preset, random, type Works } from './work.ts';

const adamwSettings = {
  learningRate: 1e-3,
  beta1: 0.9,
  beta2: 0.95,
  epsilon: 1e-8,
  weightDecay: 0.1,
  gradientScale: 1,
  step: 10,
};

/** A call and the bytes that it reads and writes. */
type Stream = readonly [name: string, bytes: number, target: number, encode: () => void];

/**
 * What streams memory: work is bytes read and written, each tensor once. Where rows are free, so
 * many that caches do not hold them.
 */
export function* streams(device: CpuDevice, preset: Preset): Works {
  for (const group of [norms, gates, rows, parameters])
    for (const [name, work, target, encode] of group(device, preset)) {
      const limit = name === 'sumSquares' ? 'read' : 'copy';
      yield { name, unit: 'GB/s', limit, work, target, encode };
    }
}

function* norms(device: CpuDevice, { D, H, memory }: Preset): Generator<Stream> {
  const { kernels } = device;
  const T = Math.ceil(memory / (16 * D));
  const [x, y, dy] = [random(device, T, D), random(device, T, D), random(device, T, D)];
  const [gain, dgain, rstd] = [random(device, D), random(device, D), random(device, T)];
  const positions = indices(device, T, (t) => t % 256);
  const table = random(device, 256, D / H);
  const halves = { heads: H, pairing: 'half' } as const;
  yield ['rmsNorm', 8 * T * D, 0.8, () => kernels.rmsNorm(y, rstd, x, gain, { eps: 1e-5 })];
  yield ['rmsNormGrad', 12 * T * D, 0.8, () => kernels.rmsNormGrad(y, dgain, dy, x, gain, rstd)];
  yield ['rope', 8 * T * D, 0.8, () => kernels.rope(y, x, positions, table, halves)];
  yield ['add', 12 * T * D, 0.8, () => kernels.add(y, x, dy)];
}

function* gates(device: CpuDevice, { F, memory }: Preset): Generator<Stream> {
  const { kernels } = device;
  const T = Math.ceil(memory / (16 * F));
  const tensor = () => random(device, T, F);
  const [gate, up, hidden, dgate, dup] = [tensor(), tensor(), tensor(), tensor(), tensor()];
  yield ['swiglu', 12 * T * F, 0.8, () => kernels.swiglu(hidden, gate, up)];
  yield ['swigluGrad', 20 * T * F, 0.8, () => kernels.swigluGrad(dgate, dup, hidden, gate, up)];
}

function* rows(device: CpuDevice, { T, D, V }: Preset): Generator<Stream> {
  const { kernels } = device;
  const [x, table, gradient] = [random(device, T, D), random(device, V, D), random(device, V, D)];
  const ids = indices(device, T, (t) => (t * 131) % V);
  yield ['embedding', 8 * T * D, 0.8, () => kernels.embedding(x, ids, table)];
  yield ['embeddingGrad', 12 * T * D, 0.8, () => kernels.embeddingGrad(gradient, x, ids)];
}

function* parameters(device: CpuDevice, { D, V }: Preset): Generator<Stream> {
  const { kernels } = device;
  const size = V * D;
  const [value, gradient] = [random(device, V, D), random(device, V, D)];
  const [m, v] = [device.empty([V, D], 'f32'), device.empty([V, D], 'f32')];
  const norm = device.empty([1], 'f32');
  yield ['sumSquares', 4 * size, 0.85, () => kernels.sumSquares(norm, gradient)];
  yield ['adamw', 28 * size, 1.2, () => kernels.adamw(value, gradient, m, v, adamwSettings)];
  yield ['fill', 4 * size, 0.5, () => kernels.fill(gradient, 0)];
}
