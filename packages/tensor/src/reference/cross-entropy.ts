import { IGNORE_TARGET, type Kernels, type LossGradients } from '../kernels.ts';
import type { Tensor } from '../tensor.ts';
import { columnsOf, multiply, rowsOf } from './matmul.ts';
import type { Memory, Numbers } from './memory.ts';

/**
 * What a part of the vocabulary says of a row: its largest logit, the sum of exponentials beside
 * it, the target's logit.
 */
const SHARE = 3;

export function crossEntropyKernels(
  memory: Memory,
  rowChunk: number,
): Pick<Kernels, 'linearCrossEntropy' | 'linearSoftmaxShare' | 'linearCrossEntropyShare'> {
  return {
    linearCrossEntropy(losses, x, w, targets, grads, weights) {
      const ids = memory.integers(targets);
      const factors = weights && memory.numbers(weights);
      const output = memory.target(losses);
      forLogits(memory, rowChunk, { x, w, grads }, (z, t) => {
        output[t] = crossEntropyRow(z, ids[t], factors?.[t]);
      });
      memory.store(losses, output);
    },

    linearSoftmaxShare(share, x, w, targets, { first }) {
      const ids = memory.integers(targets);
      const output = memory.target(share);
      forLogits(memory, rowChunk, { x, w }, (z, t) => {
        // Stored before the sum is taken beside it: of the two as others read them, one belongs to the other.
        output[SHARE * t] = largest(z);
        const [max, at] = [output[SHARE * t], ids[t] - first];
        const beside = max === -Infinity ? 0 : max;
        let sum = 0;
        for (let v = 0; v < z.length; v++) sum += Math.exp(z[v] - beside);
        output[SHARE * t + 1] = sum;
        output[SHARE * t + 2] = at >= 0 && at < z.length ? z[at] : 0;
      });
      memory.store(share, output);
    },

    linearCrossEntropyShare(losses, shares, x, w, targets, { first }, grads, weights) {
      const ids = memory.integers(targets);
      const factors = weights && memory.numbers(weights);
      const known = memory.numbers(shares);
      const output = memory.target(losses);
      const [T, ranks] = [x.rows, shares.shape[0]];
      const totals = Array.from({ length: T }, (_, t) => joined(known, t, T, ranks));
      const counts = (t: number) => ids[t] !== IGNORE_TARGET && factors?.[t] !== 0;
      totals.forEach(({ max, sum, atTarget }, t) => {
        output[t] = counts(t) ? (factors?.[t] ?? 1) * (Math.log(sum) - (atTarget - max)) : 0;
      });
      memory.store(losses, output);
      if (!grads) return;
      forLogits(memory, rowChunk, { x, w, grads }, (z, t) => {
        const { max, sum } = totals[t];
        const [at, weight] = [ids[t] - first, factors?.[t] ?? 1];
        if (!counts(t)) z.fill(0);
        else for (let v = 0; v < z.length; v++) z[v] = weight * (Math.exp(z[v] - max) / sum - +(v === at));
      });
    },
  };
}

/**
 * Logits of every row, some rows at a time; `row` turns them into their gradients, from which dx
 * and dw come where they are wanted.
 */
function forLogits(
  memory: Memory,
  rowChunk: number,
  { x, w, grads }: { readonly x: Tensor; readonly w: Tensor; readonly grads?: LossGradients | undefined },
  row: (z: Float64Array, t: number) => void,
): void {
  const [T, V, D] = [x.rows, w.rows, x.columns];
  const input = memory.numbers(x);
  const weight = memory.numbers(w);
  const dx = grads && memory.target(grads.dx);
  const dw = grads?.dw && memory.numbers(grads.dw);
  const logits = new Float64Array(Math.min(T, rowChunk) * V);
  for (let t = 0; t < T; t += rowChunk) {
    const rows = Math.min(rowChunk, T - t);
    const chunk = input.subarray(t * D, (t + rows) * D);
    multiply(rows, V, D, rowsOf(chunk, D), rowsOf(weight, D), logits);
    for (let i = 0; i < rows; i++) row(logits.subarray(i * V, (i + 1) * V), t + i);
    if (dx) addInputGradient(dx.subarray(t * D, (t + rows) * D), logits, weight, rows, V, D);
    if (dw) addWeightGradient(dw, logits, chunk, rows, V, D);
  }
  if (grads && dx) memory.store(grads.dx, dx);
  if (grads?.dw && dw) memory.store(grads.dw, dw);
}

/**
 * One row's softmax over all parts: Σ of each part's sum, moved from beside its own largest logit
 * to beside the largest of all.
 */
function joined(shares: Numbers, t: number, T: number, ranks: number) {
  const at = (rank: number) => SHARE * (rank * T + t);
  let [max, sum, atTarget] = [-Infinity, 0, 0];
  for (let rank = 0; rank < ranks; rank++) if (!(shares[at(rank)] <= max)) max = shares[at(rank)];
  for (let rank = 0; rank < ranks; rank++) {
    sum += shares[at(rank) + 1] * Math.exp(shares[at(rank)] - max);
    atTarget += shares[at(rank) + 2];
  }
  return { max, sum, atTarget };
}

/** Of a row with a NaN it may be any of them: the sum of exponentials is NaN then. */
function largest(z: Float64Array): number {
  let max = -Infinity;
  for (let v = 0; v < z.length; v++) if (!(z[v] <= max)) max = z[v];
  return max;
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
  const max = largest(z);
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
