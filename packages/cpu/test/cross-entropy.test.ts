/*
 * A weight whose packed copy is larger than what is held at one time goes through in parts, and
 * more rows than fit in blocks. Neither shows: rows are what float64 makes of them, and have the
 * bits of a call of their own.
 */
import {
  bf16ToNumber,
  byteLength,
  type ComputeDType,
  dequantize,
  type HostArray,
  numberToBf16,
  quantize,
  type Tensor,
} from '@cria/tensor';
import { afterAll, describe, expect, test } from 'vitest';
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

const formats = ['q8_0', 'q4_0', 'q4_1', 'q5_0', 'q5_1', 'q4_k', 'q5_k', 'q6_k'] as const;

describe('an output that is not plain has the bits of its numbers', () => {
  // The second goes through in parts: rows of the weight for logits, columns of it for dx.
  test.each([
    [65, 512, 300, formats, ['f32', 'bf16', 'f16']],
    [33, 1024, 9000, ['q8_0', 'q6_k'], ['f32']],
  ] as const)(
    'T %i, D %i, V %i',
    async (rows, width, vocabulary, blocks, floats) => {
      // Some rows again and again: quantising takes its time.
      const some = 20;
      const few = wave(some * width, 0.7311, 0.2);
      const repeated = <A extends Float32Array | Uint8Array>(out: A, rowsOfSome: A): A => {
        for (let at = 0; at < out.length; at += rowsOfSome.length)
          out.set(rowsOfSome.subarray(0, out.length - at), at);
        return out;
      };
      const numbers = repeated(new Float32Array(vocabulary * width), few);
      const xs = wave(rows * width, 1.137, 1);
      const ids = Int32Array.from({ length: rows }, (_, t) => (t % 9 === 4 ? -100 : (t * 131) % vocabulary));
      for (const dtype of ['f32', 'bf16'] as const) {
        const [x, targets] = [device.tensor(xs, [rows, width], dtype), device.tensor(ids, [rows], 'i32')];
        const run = async (w: Tensor) => {
          const [losses, dx] = [device.empty([rows], 'f32'), device.empty([rows, width], dtype)];
          device.kernels.linearCrossEntropy(losses, x, w, targets, { dx, dw: undefined });
          const [a, b] = [await losses.read(), await dx.read()];
          for (const { storage } of [losses, dx]) device.free(storage);
          return [a, b] as const;
        };
        const same = async (stored: Tensor, plain: Tensor, what: string) => {
          const packed = device.pack(stored);
          const want = await run(plain);
          expectSame(await run(stored), want, what);
          expectSame(await run(packed), want, `${what}, packed`);
          for (const { storage } of [packed, stored, plain]) device.free(storage);
        };
        for (const format of blocks) {
          const stored = device.empty([vocabulary, width], format);
          const fewBlocks = new Uint8Array(byteLength(format, few.length));
          quantize(format, few, width, fewBlocks);
          const bytes = repeated(new Uint8Array(stored.byteLength), fewBlocks);
          stored.write(bytes);
          const plain = new Float32Array(numbers.length);
          dequantize(format, bytes, plain);
          await same(stored, device.tensor(plain, [vocabulary, width], 'f32'), `${format}, rows of ${dtype}`);
        }
        for (const kind of floats) {
          const make = () => device.tensor(numbers, [vocabulary, width], kind);
          await same(make(), make(), `${kind}, rows of ${dtype}`);
        }
      }
    },
    120_000,
  );

  test('has no gradient of its own', () => {
    const w = device.empty([7, 32], 'q8_0');
    const [x, dx, dw] = [
      device.empty([1, 32], 'f32'),
      device.empty([1, 32], 'f32'),
      device.empty([7, 32], 'f32'),
    ];
    const targets = device.tensor([3], [1], 'i32');
    expect(() =>
      device.kernels.linearCrossEntropy(device.empty([1], 'f32'), x, w, targets, { dx, dw }),
    ).toThrow('w q8_0[7, 32] must be plain floats where its gradient is asked for');
  });
});

test('one part that is the whole vocabulary has its bits; parts of a large one add up', async () => {
  const [T, V] = [70, 6000];
  const x = device.tensor(inputs.subarray(0, T * D), [T, D], 'f32');
  const w = device.tensor(weights.subarray(0, V * D), [V, D], 'f32');
  const ids = device.tensor(
    Int32Array.from({ length: T }, (_, t) => (t % 7 === 3 ? -100 : (t * 131) % V)),
    [T],
    'i32',
  );
  const outputs = (rows: number) => ({
    losses: device.empty([T], 'f32'),
    dx: device.empty([T, D], 'f32'),
    dw: device.empty([rows, D], 'f32'),
  });
  const inParts = (ends: readonly number[]) => {
    const parts = ends.length - 1;
    const shares = device.empty([parts, T, 3], 'f32');
    const ranks = Array.from({ length: parts }, (_, rank) => ({
      w: w.slice(ends[rank]!, ends[rank + 1]!),
      part: { first: ends[rank]!, of: V },
      to: outputs(ends[rank + 1]! - ends[rank]!),
    }));
    ranks.forEach(({ w: own, part }, rank) => {
      const share = shares.slice(rank, rank + 1).reshape(T, 3);
      device.kernels.linearSoftmaxShare(share, x, own, ids, part);
    });
    for (const { w: own, part, to } of ranks)
      device.kernels.linearCrossEntropyShare(to.losses, shares, x, own, ids, part, to);
    return ranks.map(({ to }) => to);
  };
  const whole = outputs(V);
  device.kernels.linearCrossEntropy(whole.losses, x, w, ids, whole);
  const [alone] = inParts([0, V]);
  for (const name of ['losses', 'dx', 'dw'] as const)
    expectSame([await alone![name].read()], [await whole[name].read()], name);

  const [first, second] = inParts([0, 1333, V]);
  expectSame([await first!.losses.read()], [await second!.losses.read()], 'losses');
  device.kernels.add(first!.dx, first!.dx, second!.dx);
  const close = async (got: Tensor, want: Tensor) => {
    const [a, b] = [await got.toFloat32(), await want.toFloat32()];
    const scale = b.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    let worst = 0;
    for (let i = 0; i < a.length; i++) worst = Math.max(worst, Math.abs(a[i]! - b[i]!));
    expect(worst / scale).toBeLessThan(2e-5);
  };
  await close(first!.losses, whole.losses);
  await close(first!.dx, whole.dx);
  await close(first!.dw, whole.dw.slice(0, 1333));
  await close(second!.dw, whole.dw.slice(1333, V));
});

/** The same bytes; elements one by one would take minutes. */
function expectSame(got: readonly HostArray[], want: readonly HostArray[], what: string): void {
  got.forEach((array, i) =>
    expect(Buffer.from(array.buffer).equals(Buffer.from(want[i]!.buffer)), what).toBe(true),
  );
}

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
