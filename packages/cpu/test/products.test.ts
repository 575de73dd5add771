import { type Tensor, uniforms } from '@cria/tensor';
import { afterAll, describe, expect, test } from 'vitest';
import { cpu, type CpuDevice, cpuAvailability } from '../src/index.ts';
import { isasAndShapes } from './support/isas.ts';

const { isas } = cpuAvailability();
const bytesOf = (x: Float32Array) => Buffer.from(x.buffer, x.byteOffset, x.byteLength);

/** Equal bits; element by element, which takes a hundred times as long, only where they differ. */
function expectBits(got: Float32Array, want: Float32Array, message?: string): void {
  if (!bytesOf(got).equals(bytesOf(want))) expect(got, message).toEqual(want);
}

/** Whole numbers from −3 to 3: every sum is exact, so results are equal, not close. */
function whole(length: number, stream: number): Float32Array {
  const values = new Float64Array(length);
  uniforms({ seed: 7, stream, start: 0 }, values);
  return Float32Array.from(values, (u) => Math.floor(u * 7) - 3);
}

function random(length: number, stream: number): Float32Array {
  const values = new Float64Array(length);
  uniforms({ seed: 11, stream, start: 0 }, values);
  return Float32Array.from(values, (u) => 2 * u - 1);
}

/** C = A·Bᵀ by three loops; a: [T, C], b: [N, C] */
function plainProduct(a: Float32Array, b: Float32Array, T: number, N: number, C: number): Float32Array {
  const y = new Float32Array(T * N);
  for (let t = 0; t < T; t++) {
    for (let n = 0; n < N; n++) {
      let sum = 0;
      for (let c = 0; c < C; c++) sum += a[t * C + c]! * b[n * C + c]!;
      y[t * N + n] = sum;
    }
  }
  return y;
}

function transposed(a: Float32Array, rows: number, columns: number): Float32Array {
  return Float32Array.from({ length: a.length }, (_, i) => a[(i % rows) * columns + Math.floor(i / rows)]!);
}

/**
 * T, N, C around the edges of tiles (4, 6, 14 rows; 8, 16, 32 columns), blocks (112 rows, 192 and
 * 384 columns), pieces of k (384) and ways to pack (64, 512 rows).
 */
const shapes = [
  [1, 1, 1], [2, 33, 5], [3, 31, 17], [7, 100, 64], [8, 32, 300], [9, 65, 31], [13, 3, 257], [14, 32, 256],
  [15, 34, 255], [63, 17, 513], [64, 40, 20], [65, 96, 33], [113, 33, 12], [130, 520, 9], [29, 1030, 3],
  [70, 200, 769], [512, 30, 385], [513, 21, 400],
] as const; // prettier-ignore

/** Results of the plain loops, made once for all instruction sets. */
const plain = new Map<string, Plain>();
type Plain = Record<'y' | 'gradInput' | 'gradWeight', Float32Array>;

function plainResults(T: number, N: number, C: number): Plain {
  const [xs, ws, dys] = [whole(T * C, 1), whole(N * C, 2), whole(T * N, 3)];
  const known = plain.get(`${T} ${N} ${C}`) ?? {
    y: plainProduct(xs, ws, T, N, C),
    gradInput: plainProduct(dys, transposed(ws, N, C), T, C, N),
    gradWeight: plainProduct(transposed(dys, T, N), transposed(xs, T, C), N, C, T),
  };
  plain.set(`${T} ${N} ${C}`, known);
  return known;
}

for (const [isa, full] of isasAndShapes) {
  describe(`products, ${isa}`, () => {
    const device = cpu({ isa, threads: 2 });
    afterAll(() => device[Symbol.dispose]());
    const k = device.kernels;

    test.each(full ? shapes : shapes.filter(([T, N]) => T === 65 || N === 1030))(
      'T %i, N %i, C %i: all forms equal plain loops',
      async (T, N, C) => {
        const [xs, ws, dys, more] = [whole(T * C, 1), whole(N * C, 2), whole(T * N, 3), whole(T * N, 4)];
        const x = own(device, xs, [T, C]);
        const w = own(device, ws, [N, C]);
        const dy = own(device, dys, [T, N]);
        const { y: expected, gradInput, gradWeight } = plainResults(T, N, C);

        const y = device.empty([T, N], 'f32');
        k.linear(y, x, w);
        expectBits(await y.toFloat32(), expected);

        const packed = device.pack(w);
        const residual = own(device, more, [T, N]);
        k.linear(residual, x, packed, { residual });
        expectBits(
          await residual.toFloat32(),
          expected.map((value, i) => value + more[i]!),
        );

        const dx = own(device, xs, [T, C]);
        k.linearGradInput(dx, dy, w);
        expectBits(await dx.toFloat32(), gradInput);
        k.linearGradInput(dx, dy, w, { accumulate: true });
        expectBits(
          await dx.toFloat32(),
          gradInput.map((value) => 2 * value),
        );

        const dw = own(device, ws, [N, C]);
        k.linearGradWeight(dw, dy, x);
        expectBits(
          await dw.toFloat32(),
          gradWeight.map((value, i) => value + ws[i]!),
        );
      },
    );

    test.each(['f32', 'bf16'] as const)(
      'every path gives the same bits: packed or not, alone, in few rows, in many, %s',
      async (dtype) => {
        const [T, N, C] = [600, 77, 800];
        const x = device.tensor(random(T * C, 5), [T, C], dtype);
        const w = device.tensor(random(N * C, 6), [N, C], dtype);
        const packed = device.pack(w);
        const all = device.empty([T, N], dtype);
        k.linear(all, x, packed);
        const expected = await all.toFloat32();
        for (const weight of [w, packed]) {
          for (const rows of full ? [3, 8, 9, 63, 64, 150, 300, 600] : [9, 150]) {
            const y = device.empty([T, N], dtype);
            for (let t = 0; t < T; t += rows) {
              k.linear(y.slice(t, Math.min(T, t + rows)), x.slice(t, Math.min(T, t + rows)), weight);
            }
            expectBits(await y.toFloat32(), expected, `${rows} rows at one time, ${weight.layout}`);
          }
        }
        const y = device.empty([1, N], dtype);
        for (let t = 0; t < T; t += 50) {
          k.linear(y, x.slice(t, t + 1), packed);
          expectBits(await y.toFloat32(), expected.slice(t * N, (t + 1) * N), `row ${t} alone`);
        }
      },
    );

    test.each([3, 100, 513])(
      'products of one x with several weights, %i rows, have the bits of each',
      async (T) => {
        const C = 90;
        const x = device.tensor(random(T * C, 30), [T, C], 'f32');
        const weights = [40, 7, 65].map((N, i) => device.tensor(random(N * C, 31 + i), [N, C], 'f32'));
        for (const ws of [weights, [weights[0]!, device.pack(weights[1]!), weights[2]!]]) {
          const ys = ws.map((w) => device.empty([T, w.rows], 'f32'));
          k.linears(ys, x, ws);
          for (const [i, w] of ws.entries()) {
            const y = device.empty([T, w.rows], 'f32');
            k.linear(y, x, w);
            expectBits(await ys[i]!.toFloat32(), await y.toFloat32());
          }
        }
      },
    );

    test('gradients of weights do not depend on how the tokens are split', async () => {
      const [T, N, C] = [300, 40, 50];
      const x = device.tensor(random(T * C, 8), [T, C], 'f32');
      const dy = device.tensor(random(T * N, 9), [T, N], 'f32');
      const start = random(N * C, 10);
      const whole = device.tensor(start, [N, C], 'f32');
      k.linearGradWeight(whole, dy, x);
      const split = device.tensor(start, [N, C], 'f32');
      for (const [from, to] of [
        [0, 64],
        [64, 192],
        [192, 193],
        [193, 300],
      ] as const) {
        k.linearGradWeight(split, dy.slice(from, to), x.slice(from, to));
      }
      expectBits(await split.toFloat32(), await whole.toFloat32());
    });

    test.skipIf(isas.length < 2)('a weight packed for another panel width is refused', () => {
      const other = isas.find((name) => name !== isa)!;
      using second = cpu({ isa: other, threads: 1 });
      const foreign = second.pack(second.empty([8, 8], 'f32'));
      const renamed = device.pack(device.empty([8, 8], 'f32'));
      Object.assign(renamed, { layout: foreign.layout });
      expect(() => k.linear(device.empty([1, 8], 'f32'), device.empty([1, 8], 'f32'), renamed)).toThrow(
        /packed for another device/,
      );
    });
  });
}

describe('linear + cross entropy in blocks', () => {
  // 64 MiB of logits are 512 rows of 32,000: 600 rows need two blocks.
  const [T, D, V] = [600, 8, 32_000];
  test.skipIf(isas.length === 0)('blocks change no bit, and a row is what f64 says', async () => {
    using device = cpu({ threads: 2 });
    const xs = random(T * D, 20);
    const ws = random(V * D, 21);
    const targets = Int32Array.from({ length: T }, (_, t) => (t % 7 === 3 ? -100 : (t * 53) % V));
    const [x, w] = [device.tensor(xs, [T, D], 'f32'), device.tensor(ws, [V, D], 'f32')];
    const wanted = device.tensor(targets, [T], 'i32');
    const results = [];
    for (const pieces of [
      [0, T],
      [0, 512, T],
      [0, 64, 320, T],
    ]) {
      const [losses, dx, dw] = [
        device.empty([T], 'f32'),
        device.empty([T, D], 'f32'),
        device.empty([V, D], 'f32'),
      ];
      for (let i = 0; i + 1 < pieces.length; i++) {
        const [from, to] = [pieces[i]!, pieces[i + 1]!];
        const grads = { dx: dx.slice(from, to), dw };
        device.kernels.linearCrossEntropy(
          losses.slice(from, to),
          x.slice(from, to),
          w,
          wanted.slice(from, to),
          grads,
        );
      }
      results.push([await losses.toFloat32(), await dx.toFloat32(), await dw.toFloat32()]);
    }
    for (const other of results.slice(1))
      for (const [i, part] of other.entries()) expectBits(part, results[0]![i]!);

    const losses = results[0]![0]!;
    for (const t of [0, 3, 511, 512, 599]) {
      const logits = Float64Array.from({ length: V }, (_, v) => {
        let sum = 0;
        for (let d = 0; d < D; d++) sum += xs[t * D + d]! * ws[v * D + d]!;
        return sum;
      });
      const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0);
      const expected = targets[t] === -100 ? 0 : Math.log(sum) - logits[targets[t]!]!;
      expect(losses[t]).toBeCloseTo(expected, 4);
    }
  });
});

/** A tensor at an offset that nothing but its elements aligns. */
function own(device: CpuDevice, values: Float32Array, shape: number[]): Tensor {
  return device
    .empty([values.length + 1], 'f32')
    .slice(1, values.length + 1)
    .write(values)
    .reshape(...shape);
}
