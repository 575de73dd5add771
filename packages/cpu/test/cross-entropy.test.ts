/*
 * A weight whose packed copy is larger than what is held at one time goes through in parts, and
 * more rows than fit in blocks. Neither shows: rows are what float64 makes of them, and have the
 * bits of a call of their own.
 */
import { bf16ToNumber, type ComputeDType, numberToBf16, type Tensor } from '@cria/tensor';
import { afterAll, expect, test } from 'vitest';
import { cpu } from '../src/index.ts';

const [T, D, V] = [390, 660, 32_000];
const device = cpu({ threads: 2 });
afterAll(() => device[Symbol.dispose]());

const wave = (size: number, step: number, scale: number) =>
  Float32Array.from({ length: size }, (_, i) => bf16ToNumber(numberToBf16(Math.sin(i * step) * scale)));
const weights = wave(V * D, 0.7311, 0.2);
const inputs = wave(T * D, 1.137, 1);
const target = (t: number) => (t * 131) % V;

test.each(['f32', 'bf16'] as const)('rows of %s over a weight in parts', async (dtype: ComputeDType) => {
  const [x, w] = [device.tensor(inputs, [T, D], dtype), device.tensor(weights, [V, D], 'f32')];
  const targets = device.tensor(
    Int32Array.from({ length: T }, (_, t) => target(t)),
    [T],
    'i32',
  );
  const [losses, dx, dw] = [
    device.empty([T], 'f32'),
    device.empty([T, D], dtype),
    device.empty([V, D], 'f32'),
  ];
  const run = (first: number, end: number, [l, d, g]: readonly [Tensor, Tensor, Tensor]) =>
    device.kernels.linearCrossEntropy(l, x.slice(first, end), w, targets.slice(first, end), { dx: d, dw: g });
  run(0, T, [losses, dx, dw]);

  const tolerance = dtype === 'f32' ? 2e-5 : 0.02;
  const [gotLosses, gotDx] = [await losses.toFloat32(), await dx.toFloat32()];
  for (const t of [383, T - 1]) {
    const { loss, gradient } = exact(t);
    expect(Math.abs(gotLosses[t]! - loss)).toBeLessThan(tolerance);
    const size = Math.sqrt(gradient.reduce((sum, value) => sum + value * value, 0) / D);
    gradient.forEach((value, d) =>
      expect(Math.abs(gotDx[t * D + d]! - value), `dx[${t}, ${d}]`).toBeLessThan(5 * tolerance * size),
    );
  }
  const alone = [device.empty([T], 'f32'), device.empty([T, D], dtype), device.empty([V, D], 'f32')] as const;
  for (const [first, end] of [
    [0, 64],
    [64, T],
  ] as const)
    // prettier-ignore
    run(first, end, [alone[0].slice(first, end), alone[1].slice(first, end), alone[2]]);
  for (const [i, whole] of [losses, dx, dw].entries()) {
    const [a, b] = [await whole.read(), await alone[i]!.read()];
    expect(Buffer.from(a.buffer).equals(Buffer.from(b.buffer)), ['losses', 'dx', 'dw'][i]).toBe(true);
  }
});

/** Of one row, in float64. */
function exact(t: number): { readonly loss: number; readonly gradient: Float64Array } {
  const row = inputs.subarray(t * D, (t + 1) * D);
  const z = Float64Array.from({ length: V }, (_, v) => {
    let sum = 0;
    for (let d = 0; d < D; d++) sum += row[d]! * weights[v * D + d]!;
    return sum;
  });
  const total = z.reduce((sum, value) => sum + Math.exp(value), 0);
  const gradient = new Float64Array(D);
  for (let v = 0; v < V; v++) {
    const p = Math.exp(z[v]!) / total - (v === target(t) ? 1 : 0);
    for (let d = 0; d < D; d++) gradient[d]! += p * weights[v * D + d]!;
  }
  return { loss: Math.log(total) - z[target(t)]!, gradient };
}
