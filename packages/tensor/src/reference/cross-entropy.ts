import { IGNORE_TARGET, type Kernels } from '../kernels.ts';
import { columnsOf, multiply, rowsOf } from './matmul.ts';
import type { Memory, Numbers } from './memory.ts';

export function crossEntropyKernels(memory: Memory, rowChunk: number): Pick<Kernels, 'linearCrossEntropy'> {
  return {
    linearCrossEntropy(losses, x, w, targets, grads, weights) {
      const [T, V, D] = [x.rows, w.rows, x.columns];
      const input = memory.numbers(x);
      const weight = memory.numbers(w);
      const ids = memory.integers(targets);
      const factors = weights && memory.numbers(weights);
      const output = memory.target(losses);
      const dx = grads && memory.target(grads.dx);
      const dw = grads?.dw && memory.numbers(grads.dw);
      const logits = new Float64Array(Math.min(T, rowChunk) * V);
      for (let t = 0; t < T; t += rowChunk) {
        const rows = Math.min(rowChunk, T - t);
        const chunk = input.subarray(t * D, (t + rows) * D);
        multiply(rows, V, D, rowsOf(chunk, D), rowsOf(weight, D), logits);
        for (let i = 0; i < rows; i++)
          output[t + i] = crossEntropyRow(logits.subarray(i * V, (i + 1) * V), ids[t + i], factors?.[t + i]);
        // The logits have become their gradients.
        if (dx) addInputGradient(dx.subarray(t * D, (t + rows) * D), logits, weight, rows, V, D);
        if (dw) addWeightGradient(dw, logits, chunk, rows, V, D);
      }
      memory.store(losses, output);
      if (grads && dx) memory.store(grads.dx, dx);
      if (grads?.dw && dw) memory.store(grads.dw, dw);
    },
  };
}

/**
 * log Σ exp(z − max) − (z[target] − max): subtracting a stored log-sum from the logit would lose
 * the sum beside large logits.
 * Replaces the logits by the loss's gradient, softmax(z) − [v = target]; both times `weight`, 0
 * where that is 0 or the target ignored.
 *   z: [V]
 */
export function crossEntropyRow(z: Float64Array, target: number, weight = 1): number {
  if (target === IGNORE_TARGET || weight === 0) {
    z.fill(0);
    return 0;
  }
  let max = -Infinity;
  for (let v = 0; v < z.length; v++) if (!(z[v] <= max)) max = z[v];
  const centred = z[target] - max;
  let sum = 0;
  for (let v = 0; v < z.length; v++) sum += z[v] = Math.exp(z[v] - max);
  for (let v = 0; v < z.length; v++) z[v] /= sum;
  z[target] -= 1;
  if (weight !== 1) for (let v = 0; v < z.length; v++) z[v] *= weight;
  return weight * (Math.log(sum) - centred);
}

/** dx = dlogits · w                                                          dx: [rows, D]   w: [V, D] */
function addInputGradient(
  dx: Numbers,
  dlogits: Float64Array,
  w: Numbers,
  rows: number,
  V: number,
  D: number,
): void {
  const products = new Float64Array(rows * D);
  multiply(rows, D, V, rowsOf(dlogits, V), columnsOf(w, V, D), products);
  dx.set(products);
}

/** dw += dlogitsᵀ · x, rounded once a chunk of rows                          dw: [V, D]   x: [rows, D] */
function addWeightGradient(
  dw: Numbers,
  dlogits: Float64Array,
  x: Numbers,
  rows: number,
  V: number,
  D: number,
): void {
  const strip = 64;
  const products = new Float64Array(Math.min(strip, V) * D);
  for (let v = 0; v < V; v += strip) {
    const count = Math.min(strip, V - v);
    multiply(count, D, rows, columnsOf(dlogits.subarray(v), rows, V), columnsOf(x, rows, D), products);
    for (let i = 0, at = v * D; i < count * D; i++, at++) dw[at] += products[i];
  }
}
