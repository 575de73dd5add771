import type { Kernels } from '../kernels.ts';
import { columnsOf, multiply, multiplyRow, rowsOf } from './matmul.ts';
import type { Memory } from './memory.ts';

/** Rows of a product that are computed together. No result depends on it. */
const STRIP = 64;

export function linearKernels(
  memory: Memory,
  rowChunk: number,
): Pick<Kernels, 'linear' | 'linears' | 'linearGradInput' | 'linearGradWeight'> {
  const kernels: ReturnType<typeof linearKernels> = {
    linear(y, x, w, { residual } = {}) {
      const [T, N, C] = [x.rows, w.rows, x.columns];
      const input = memory.numbers(x);
      const weight = memory.numbers(w);
      const added = residual && memory.numbers(residual);
      const output = memory.target(y);
      const products = new Float64Array(Math.min(T, STRIP) * N);
      for (let t = 0; t < T; t += STRIP) {
        const rows = Math.min(STRIP, T - t);
        const strip = input.subarray(t * C, (t + rows) * C);
        if (rows === 1) multiplyRow(strip, weight, N, C, products, 0);
        else multiply(rows, N, C, rowsOf(strip, C), rowsOf(weight, C), products);
        for (let i = 0, at = t * N; i < rows * N; i++, at++) {
          output[at] = added ? products[i] + added[at] : products[i];
        }
      }
      memory.store(y, output);
    },

    linears(ys, x, ws) {
      ws.forEach((w, i) => kernels.linear(ys[i], x, w));
    },

    linearGradInput(dx, dy, w, { accumulate = false } = {}) {
      const [T, N, C] = [dy.rows, w.rows, w.columns];
      const upstream = memory.numbers(dy);
      const weight = memory.numbers(w);
      const output = accumulate ? memory.numbers(dx) : memory.target(dx);
      const products = new Float64Array(Math.min(T, STRIP) * C);
      for (let t = 0; t < T; t += STRIP) {
        const rows = Math.min(STRIP, T - t);
        const strip = upstream.subarray(t * N, (t + rows) * N);
        multiply(rows, C, N, rowsOf(strip, N), columnsOf(weight, N, C), products);
        for (let i = 0, at = t * C; i < rows * C; i++, at++) {
          output[at] = accumulate ? products[i] + output[at] : products[i];
        }
      }
      memory.store(dx, output);
    },

    linearGradWeight(dw, dy, x) {
      const [T, N, C] = [x.rows, dy.columns, x.columns];
      const upstream = memory.numbers(dy);
      const input = memory.numbers(x);
      const gradient = memory.numbers(dw);
      const products = new Float64Array(Math.min(N, STRIP) * C);
      // One rounding a chunk of rows: calls that split the rows at a chunk's end leave the same bits.
      for (let t = 0; t < T; t += rowChunk) {
        const rows = Math.min(rowChunk, T - t);
        const dyChunk = upstream.subarray(t * N, (t + rows) * N);
        const xChunk = input.subarray(t * C, (t + rows) * C);
        for (let n = 0; n < N; n += STRIP) {
          const strip = Math.min(STRIP, N - n);
          multiply(
            strip,
            C,
            rows,
            columnsOf(dyChunk.subarray(n), rows, N),
            columnsOf(xChunk, rows, C),
            products,
          );
          for (let i = 0, at = n * C; i < strip * C; i++, at++) gradient[at] += products[i];
        }
      }
      memory.store(dw, gradient);
    },
  };
  return kernels;
}
