import { type Device, type DType, type Tensor, uniforms } from '@cria/tensor';

/** Whole numbers from −3 to 3: every sum is exact in f32, whatever the order, and every number is exact in bf16. */
function whole(length: number, stream: number): Float32Array {
  const values = new Float64Array(length);
  uniforms({ seed: 7, stream, start: 0 }, values);
  return Float32Array.from(values, (u) => Math.floor(u * 7) - 3);
}

/**
 * Sizes at random and around the edges of tiles (12, 16, 32), panels (8, 16, 32), blocks of rows
 * and pieces of k (256).
 */
function sizes(count: number): (readonly [number, number, number])[] {
  const edges = [
    1, 2, 3, 7, 8, 9, 11, 12, 13, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 113, 255, 256, 257, 300,
  ];
  const draws = new Float64Array(3 * count);
  uniforms({ seed: 3, stream: 0, start: 0 }, draws);
  const at = (i: number) => edges[Math.floor(draws[i]! * edges.length)]!;
  return Array.from({ length: count }, (_, i) => [at(3 * i), at(3 * i + 1), at(3 * i + 2)] as const);
}

/** y[t, n] = Σ x[t, c]·w[n, c], by three loops in double */
function plain(x: ArrayLike<number>, w: ArrayLike<number>, T: number, N: number, C: number): Float64Array {
  const y = new Float64Array(T * N);
  for (let t = 0; t < T; t++) {
    for (let n = 0; n < N; n++) {
      let sum = 0;
      for (let c = 0; c < C; c++) sum += x[t * C + c]! * w[n * C + c]!;
      y[t * N + n] = sum;
    }
  }
  return y;
}

function transposed(a: Float32Array, rows: number, columns: number): Float32Array {
  return Float32Array.from({ length: a.length }, (_, i) => a[(i % rows) * columns + Math.floor(i / rows)]!);
}

/** Products of all forms with f32 and bf16 weights at many odd sizes against plain loops, element by element. */
export async function productFailures(open: () => Device, count = 40): Promise<string[]> {
  const failures: string[] = [];
  using device = open();
  const k = device.kernels;
  for (const [T, N, C] of sizes(count)) {
    for (const dtype of ['f32', 'bf16'] as const) {
      const [xs, ws, dys] = [whole(T * C, 1), whole(N * C, 2), whole(T * N, 3)];
      const tensor = (values: Float32Array, shape: readonly number[], as: DType = dtype) =>
        device.tensor(values, shape, as);
      const [x, w, dy] = [tensor(xs, [T, C]), tensor(ws, [N, C]), tensor(dys, [T, N])];
      const [y, packedY] = [device.empty([T, N], dtype), device.empty([T, N], dtype)];
      const [dx, dw] = [tensor(xs, [T, C]), tensor(ws, [N, C], 'f32')];
      const packed = device.pack(w);
      k.linear(y, x, w);
      k.linear(packedY, x, packed, { residual: dy });
      k.linearGradInput(dx, dy, w, { accumulate: true });
      k.linearGradWeight(dw, dy, x);
      const products = plain(xs, ws, T, N, C);
      const inputs = plain(dys, transposed(ws, N, C), T, C, N);
      const weights = plain(transposed(dys, T, N), transposed(xs, T, C), N, C, T);
      const expected: [string, Tensor, Float64Array][] = [
        ['linear', y, products],
        ['linear, packed, residual', packedY, products.map((value, i) => value + dys[i]!)],
        ['linearGradInput, accumulate', dx, inputs.map((value, i) => value + xs[i]!)],
        ['linearGradWeight', dw, weights.map((value, i) => value + ws[i]!)],
      ];
      for (const [name, got, want] of expected) {
        const values = await got.toFloat32();
        // Sums are exact; as bf16 they are rounded once.
        const wrong = values.findIndex(
          (value, i) => Math.abs(value - want[i]!) > (got.dtype === 'bf16' ? Math.abs(want[i]!) / 256 : 0),
        );
        if (wrong >= 0) {
          failures.push(
            `${name} ${dtype}, T ${T}, N ${N}, C ${C}: ${values[wrong]} instead of ${want[wrong]} at ${wrong}`,
          );
        }
      }
      for (const { storage } of [x, w, dy, y, packedY, dx, dw, packed]) device.free(storage);
    }
  }
  return failures;
}
