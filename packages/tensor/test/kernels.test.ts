import { beforeAll, expect, test } from 'vitest';
import { type Device, type Kernels, openStep, reference, type Tensor } from '@cria/tensor';
import * as oracle from './support/oracle.ts';
import { flat, type Matrix, numbers } from './support/oracle.ts';

/* The reference device in f64 against the formulas, written independently. */

let device: Device;
let kernels: Kernels;
beforeAll(() => {
  device = reference();
  kernels = device.kernels;
});

const put = (m: Matrix) => device.tensor(flat(m), [m.length, m[0].length], 'f64');
const vector = (values: number[]) => device.tensor(values, [values.length], 'f64');
const ints = (values: number[]) => device.tensor(values, [values.length], 'i32');
const room = (...shape: number[]) => device.empty(shape, 'f64');

async function expectNear(actual: Tensor, expected: number[]): Promise<void> {
  const values = await actual.read();
  expect(values.length).toBe(expected.length);
  expected.forEach((value, i) =>
    expect(Math.abs(values[i] - value), `element ${i}`).toBeLessThan(1e-13 * Math.max(1, Math.abs(value))),
  );
}

test('linear, its residual, and both gradients', async () => {
  const [x, w, residual, dy] = [numbers(7, 13, 1), numbers(5, 13, 2), numbers(7, 5, 3), numbers(7, 5, 4)];
  const y = room(7, 5);
  kernels.linear(y, put(x), put(w), { residual: put(residual) });
  const product = oracle.linear(x, w);
  await expectNear(y, flat(product.map((row, i) => row.map((value, j) => value + residual[i][j]))));

  const transpose = (m: Matrix) => m[0].map((_, j) => m.map((row) => row[j]));
  const dx = put(x);
  kernels.linearGradInput(dx, put(dy), put(w), { accumulate: true });
  const dxWanted = oracle.linear(dy, transpose(w));
  await expectNear(dx, flat(dxWanted.map((row, i) => row.map((value, j) => value + x[i][j]))));

  const dw = put(w);
  kernels.linearGradWeight(dw, put(dy), put(x));
  const dwWanted = oracle.linear(transpose(dy), transpose(x));
  await expectNear(dw, flat(dwWanted.map((row, i) => row.map((value, j) => value + w[i][j]))));
});

test('embedding and its gradient', async () => {
  const [table, dy, tokens] = [numbers(4, 3, 1), numbers(5, 3, 2), [3, 0, 3, 2, 3]];
  const y = room(5, 3);
  kernels.embedding(y, ints(tokens), put(table));
  await expectNear(y, flat(tokens.map((token) => table[token])));
  const dtable = put(table);
  kernels.embeddingGrad(dtable, put(dy), ints(tokens));
  const wanted = table.map((row) => [...row]);
  tokens.forEach((token, t) => dy[t].forEach((value, d) => (wanted[token][d] += value)));
  await expectNear(dtable, flat(wanted));
});

test('rmsNorm', async () => {
  const [x, [gain]] = [numbers(6, 11, 1), numbers(1, 11, 2)];
  const [y, rstd] = [room(6, 11), room(6)];
  kernels.rmsNorm(y, rstd, put(x), vector(gain), { eps: 0.01 });
  await expectNear(y, flat(oracle.rmsNorm(x, gain, 0.01)));
  await expectNear(
    rstd,
    x.map((row) => (row.reduce((sum, value) => sum + value * value, 0) / 11 + 0.01) ** -0.5),
  );
});

test.each(['adjacent', 'half'] as const)('rope, pairs %s', async (pairing) => {
  const [x, positions] = [numbers(5, 3 * 8, 1), [4, 0, 9, 9, 1]];
  const table = put(oracle.ropeTable(10, 8, 100));
  const [y, back] = [room(5, 24), room(5, 24)];
  kernels.rope(y, put(x), ints(positions), table, { heads: 3, pairing });
  kernels.rope(back, put(x), ints(positions), table, { heads: 3, pairing, inverse: true });
  await expectNear(y, flat(oracle.rope(x, positions, 3, 100, pairing)));
  await expectNear(back, flat(oracle.rope(x, positions, 3, 100, pairing, -1)));
});

test('swiglu', async () => {
  const [gate, up, y] = [numbers(4, 9, 1), numbers(4, 9, 2), room(4, 9)];
  kernels.swiglu(y, put(gate), put(up));
  await expectNear(y, flat(oracle.swiglu(gate, up)));
});

test('attention in segments, and over a paged cache', async () => {
  const [q, k, v] = [numbers(9, 4 * 6, 1), numbers(9, 2 * 6, 2), numbers(9, 2 * 6, 3)];
  const [out, lse] = [room(9, 24), room(9, 4)];
  const shape = { heads: 4, kvHeads: 2 };
  kernels.attention(out, lse, put(q), put(k), put(v), ints([0, 2, 9]), shape);
  const wanted = oracle.attention(q, k, v, [0, 0, 1, 1, 1, 1, 1, 1, 1], 4, 2);
  await expectNear(out, flat(wanted));

  // The same two sequences: the first row of the first and the last three of the second are asked for.
  const caches = [room(6, 2, 12), room(6, 2, 12)] as const;
  for (const cache of caches) kernels.fill(cache, NaN);
  kernels.cacheWrite(...caches, put(k), put(v), ints([6, 7, 10, 11, 2, 3, 0, 1, 8]));
  const some = room(5, 24);
  const rows = [q[0], q[1], q[6], q[7], q[8]];
  const table = device.tensor([3, 0, 0, 0, 5, 1, 0, 4], [2, 4], 'i32');
  kernels.pagedAttention(some, put(rows), ...caches, table, ints([0, 2, 5]), ints([2, 7]), shape);
  await expectNear(some, flat([0, 1, 6, 7, 8].map((t) => wanted[t])));
});

test('linearCrossEntropy', async () => {
  const [x, w, targets] = [numbers(6, 5, 1), numbers(7, 5, 2), [0, 6, -100, 3, 3, 1]];
  const losses = room(6);
  kernels.linearCrossEntropy(losses, put(x), put(w), ints(targets));
  await expectNear(losses, oracle.crossEntropy(oracle.linear(x, w), targets));
});

test('one part that is the whole vocabulary has the bits of linearCrossEntropy', async () => {
  const [x, w] = [put(numbers(6, 5, 1)), put(numbers(7, 5, 2))];
  const [targets, weights] = [ints([0, 6, -100, 3, 3, 1]), vector([1, 2, 1, 0.5, 0, -1])];
  const run = () => ({ losses: room(6), dx: room(6, 5), dw: room(7, 5) });
  const [whole, part, share] = [run(), run(), room(6, 3)];
  kernels.linearCrossEntropy(whole.losses, x, w, targets, whole, weights);
  const all = { first: 0, of: 7 };
  kernels.linearSoftmaxShare(share, x, w, targets, all);
  kernels.linearCrossEntropyShare(part.losses, share.reshape(1, 6, 3), x, w, targets, all, part, weights);
  for (const name of ['losses', 'dx', 'dw'] as const)
    expect(await part[name].read(), name).toEqual(await whole[name].read());
});

test('adamw is algorithm 2 of Loshchilov and Hutter over three steps', async () => {
  const n = 6;
  const [[value], [gradient]] = [numbers(1, n, 1), numbers(1, n, 2)];
  const [p, m, v, copy] = [vector(value), room(n), room(n), device.empty([n], 'bf16')];
  const [lr, b1, b2, eps, wd, scale] = [0.1, 0.8, 0.9, 1e-3, 0.05, 0.5];
  const wanted = value.map((start, i) => {
    let [theta, first, second] = [start, 0, 0];
    for (let step = 1; step <= 3; step++) {
      const g = gradient[i] * scale * step;
      first = b1 * first + (1 - b1) * g;
      second = b2 * second + (1 - b2) * g * g;
      const [mHat, vHat] = [first / (1 - b1 ** step), second / (1 - b2 ** step)];
      theta = theta - lr * (mHat / (Math.sqrt(vHat) + eps) + wd * theta);
    }
    return theta;
  });
  for (let step = 1; step <= 3; step++) {
    const settings = {
      learningRate: lr,
      beta1: b1,
      beta2: b2,
      epsilon: eps,
      weightDecay: wd,
      gradientScale: scale * step,
      step,
    };
    kernels.adamw(p, vector(gradient), m, v, settings, copy);
  }
  await expectNear(p, wanted);
  const rounded = device.empty([n], 'bf16');
  kernels.cast(rounded, p);
  expect(await copy.read()).toEqual(await rounded.read());
});

test('sumSquares, gatherRows, add, cast, fill', async () => {
  const x = numbers(5, 3, 1);
  const [sum, rows, both, bytes] = [room(1), room(3, 3), room(5, 3), device.empty([2], 'i32')];
  kernels.sumSquares(sum, put(x));
  await expectNear(sum, [flat(x).reduce((total, value) => total + value * value, 0)]);
  kernels.gatherRows(rows, put(x), ints([4, 4, 1]));
  await expectNear(rows, flat([x[4], x[4], x[1]]));
  kernels.add(both, put(x), put(x));
  await expectNear(
    both,
    flat(x).map((value) => value + value),
  );
  kernels.fill(bytes, 7);
  expect([...(await bytes.read())]).toEqual([7, 7]);
  expect(() => kernels.fill(device.empty([32], 'q8_0'), 1)).toThrow(
    '[fill] q8_0[32] holds quantised blocks.',
  );
});

test('cast between places of one storage copies', async () => {
  using step = openStep(device, { rows: 1, dtype: 'f64' });
  const [wide, narrow] = [step.empty([3]).write([1, 2, 3]), step.empty([3], 'f32')];
  kernels.cast(narrow, wide);
  expect([...(await narrow.read())]).toEqual([1, 2, 3]);
});

test('pack gives a copy of its own', async () => {
  const w = device.tensor([1, 2, 3, 4], [2, 2], 'f32');
  const packed = device.pack(w);
  w.write([0, 0, 0, 0]);
  const y = device.empty([1, 2], 'f32');
  kernels.linear(y, device.tensor([1, 1], [1, 2], 'f32'), packed);
  expect([...(await y.read())]).toEqual([3, 7]);
});
