import { expect, test } from 'vitest';
import { reference, type Tensor } from '@cria/tensor';
import { flat, numbers, ropeTable } from './support/oracle.ts';

/*
 * Every backward kernel against central differences of its forward kernel, in f64: the derivative
 * of L = Σ y ∘ dy by each input.
 */

const device = reference();
const { kernels } = device;
const STEP = 1e-5;

const put = (values: ArrayLike<number>, shape: readonly number[]) => device.tensor(values, shape, 'f64');
const random = (rows: number, columns: number, seed: number) =>
  put(flat(numbers(rows, columns, seed)), [rows, columns]);
const ints = (values: number[]) => device.tensor(values, [values.length], 'i32');
const zeros = (tensor: Tensor) => device.empty(tensor.shape, 'f64');

/** Compares gradients with differences; `forward` gives y from the inputs as they now are. */
async function expectGradients(
  inputs: Record<string, Tensor>,
  forward: () => Tensor,
  dy: Tensor,
  gradients: Record<string, Tensor>,
): Promise<void> {
  const upstream = Float64Array.from(await dy.read());
  const loss = async () => {
    const y = await forward().read();
    return upstream.reduce((sum: number, value: number, i: number) => sum + value * y[i], 0);
  };
  for (const [name, input] of Object.entries(inputs)) {
    const values = Float64Array.from(await input.read());
    const actual = await gradients[name].read();
    const expected = new Float64Array(values.length);
    for (let i = 0; i < values.length; i++) {
      const at = async (value: number) => {
        const moved = values.slice();
        moved[i] = value;
        input.write(moved);
        return loss();
      };
      expected[i] = ((await at(values[i] + STEP)) - (await at(values[i] - STEP))) / (2 * STEP);
    }
    input.write(values);
    const scale = expected.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
    expect(scale, `${name} has a gradient`).toBeGreaterThan(1e-3);
    expected.forEach((value, i) => {
      expect(
        Math.abs(actual[i] - value) / scale,
        `d${name}[${i}] = ${actual[i]}, by differences ${value}`,
      ).toBeLessThan(1e-6);
    });
  }
}

test('linear', async () => {
  const [x, w, residual, dy] = [random(5, 7, 1), random(3, 7, 2), random(5, 3, 3), random(5, 3, 4)];
  const [dx, dw, y] = [zeros(x), zeros(w), zeros(dy)];
  kernels.linearGradInput(dx, dy, w);
  kernels.linearGradWeight(dw, dy, x);
  const forward = () => (kernels.linear(y, x, w, { residual }), y);
  await expectGradients({ x, w, residual }, forward, dy, { x: dx, w: dw, residual: dy });
});

test('embedding', async () => {
  const [table, tokens, dy] = [random(4, 3, 1), ints([1, 3, 1, 1]), random(4, 3, 2)];
  const [dtable, y] = [zeros(table), zeros(dy)];
  kernels.embeddingGrad(dtable, dy, tokens);
  await expectGradients({ table }, () => (kernels.embedding(y, tokens, table), y), dy, { table: dtable });
});

test.each([1, 6])('rmsNorm of width %i', async (D) => {
  const [x, dy] = [random(5, D, 1), random(5, D, 2)];
  const gain = random(1, D, 3).reshape(D);
  const [y, rstd, dx, dgain] = [zeros(x), device.empty([5], 'f64'), zeros(x), zeros(gain)];
  const forward = () => (kernels.rmsNorm(y, rstd, x, gain, { eps: 0.1 }), y);
  forward();
  kernels.rmsNormGrad(dx, dgain, dy, x, gain, rstd);
  await expectGradients({ x, gain }, forward, dy, { x: dx, gain: dgain });
});

test.each(['adjacent', 'half'] as const)('rope, pairs %s: the inverse is the gradient', async (pairing) => {
  const [x, dy, positions] = [random(3, 12, 1), random(3, 12, 2), ints([5, 0, 2])];
  const table = put(flat(ropeTable(6, 6, 50)), [6, 6]);
  const [y, dx] = [zeros(x), zeros(x)];
  kernels.rope(dx, dy, positions, table, { heads: 2, pairing, inverse: true });
  const forward = () => (kernels.rope(y, x, positions, table, { heads: 2, pairing }), y);
  await expectGradients({ x }, forward, dy, { x: dx });
});

test('swiglu', async () => {
  const [gate, up, dy] = [random(3, 5, 1), random(3, 5, 2), random(3, 5, 3)];
  const [y, dgate, dup] = [zeros(dy), zeros(gate), zeros(up)];
  kernels.swigluGrad(dgate, dup, dy, gate, up);
  await expectGradients({ gate, up }, () => (kernels.swiglu(y, gate, up), y), dy, { gate: dgate, up: dup });
});

test('addBias', async () => {
  const [x, dy, bias] = [random(5, 3, 1), random(5, 3, 2), random(1, 3, 3).reshape(3)];
  const [y, dbias] = [zeros(x), zeros(bias)];
  kernels.biasGrad(dbias, dy);
  const forward = () => (kernels.cast(y, x), kernels.addBias(y, bias), y);
  await expectGradients({ x, bias }, forward, dy, { x: dy, bias: dbias });
});

test.each([
  [undefined, undefined],
  [0.3, undefined],
  [undefined, 2],
])('attention with scale %s, window %s', async (scale, window) => {
  const [q, k, v] = [random(9, 4 * 6, 1), random(9, 2 * 6, 2), random(9, 2 * 6, 3)];
  const [dy, segments] = [random(9, 24, 4), ints([0, 3, 4, 9])];
  const shape = { heads: 4, kvHeads: 2, window, ...(scale !== undefined && { scale }) };
  const [y, lse, dq, dk, dv] = [zeros(q), device.empty([9, 4], 'f64'), zeros(q), zeros(k), zeros(v)];
  const forward = () => (kernels.attention(y, lse, q, k, v, segments, shape), y);
  forward();
  kernels.attentionGrad(dq, dk, dv, dy, q, k, v, y, lse, segments, shape);
  const gradients = { q: dq, k: dk, v: dv };
  await expectGradients({ q, k, v }, forward, dy, gradients);
});

test('linearCrossEntropy', async () => {
  const [x, w, targets] = [random(5, 4, 1), random(7, 4, 2), ints([6, 0, -100, 3, 3])];
  const [losses, ignored, dx, dw] = [device.empty([5], 'f64'), device.empty([5], 'f64'), zeros(x), zeros(w)];
  kernels.linearCrossEntropy(ignored, x, w, targets, { dx, dw });
  const forward = () => (kernels.linearCrossEntropy(losses, x, w, targets), losses);
  await expectGradients({ x, w }, forward, put([1, 1, 1, 1, 1], [5]), { x: dx, w: dw });
  expect(await ignored.read()).toEqual(await forward().read());
});

test('linearCrossEntropyShare, of all parts together', async () => {
  const [x, w, targets] = [random(5, 4, 1), random(7, 4, 2), ints([6, 0, -100, 3, 2])];
  const weights = put([1, 0.5, 2, -1, 3], [5]);
  const [shares, losses, dw, dx] = [
    device.empty([2, 5, 3], 'f64'),
    device.empty([5], 'f64'),
    zeros(w),
    zeros(x),
  ];
  const ranks = [
    [0, 3],
    [3, 7],
  ].map(([first, end], rank) => ({ rank, first, end, own: w.slice(first, end), part: { first, of: 7 } }));
  const forward = () => {
    for (const { rank, own, part } of ranks)
      kernels.linearSoftmaxShare(shares.slice(rank, rank + 1).reshape(5, 3), x, own, targets, part);
    const [{ own, part }] = ranks;
    kernels.linearCrossEntropyShare(losses, shares, x, own, targets, part, undefined, weights);
    return losses;
  };
  const alone = forward();
  const before = [...(await alone.read())];
  for (const { first, end, own, part } of ranks) {
    const grads = { dx: zeros(x), dw: dw.slice(first, end) };
    kernels.linearCrossEntropyShare(losses, shares, x, own, targets, part, grads, weights);
    expect([...(await losses.read())]).toEqual(before);
    kernels.add(dx, dx, grads.dx);
  }
  await expectGradients({ x, w }, forward, put([1, 1, 1, 1, 1], [5]), { x: dx, w: dw });
});
