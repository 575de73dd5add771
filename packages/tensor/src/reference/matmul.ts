import type { Numbers } from './memory.ts';

/*
 * out[i, j] = Σ_k a[i, k] · b[j, k] in double, k ascending, one accumulator an element: the value
 * of an element depends on its two rows alone, whatever tile or call it falls into. Operands are
 * copied into panels of four rows, interleaved (panel[4k + i]), so that the inner loop reads both
 * in order and keeps 16 sums in registers.
 */

/** Rows a panel. */
const WIDE = 4;
/** Panels of b made at a time: where its rows are columns of a matrix, this many share a cache line. */
const PANELS = 4;

/** Copies rows first to first + count of an operand into a panel. */
export type Packer = (first: number, count: number, panel: Float64Array) => void;

/** An operand whose rows are rows of a matrix.                                           data: [rows, K] */
export function rowsOf(data: Numbers, K: number): Packer {
  return (first, count, panel) => {
    for (let i = 0; i < count; i++) {
      const row = (first + i) * K;
      for (let k = 0; k < K; k++) panel[k * WIDE + i] = data[row + k];
    }
  };
}

/** An operand whose rows are columns of a matrix.                                        data: [K, width] */
export function columnsOf(data: Numbers, K: number, width: number): Packer {
  return (first, count, panel) => {
    for (let k = 0; k < K; k++)
      for (let i = 0; i < count; i++) panel[k * WIDE + i] = data[k * width + first + i];
  };
}

/** Fills out[i, j], i < M, j < N; M should be small, some 64 rows, for all of a is packed at once.       out: [M, N] */
export function multiply(M: number, N: number, K: number, a: Packer, b: Packer, out: Float64Array): void {
  const left = packAll(a, 0, M, K);
  for (let j = 0; j < N; j += WIDE * PANELS) {
    const width = Math.min(WIDE * PANELS, N - j);
    const right = packAll(b, j, width, K);
    for (let p = 0; p < right.length; p++) {
      for (let i = 0; i < left.length; i++) {
        const rows = Math.min(WIDE, M - i * WIDE);
        const columns = Math.min(WIDE, width - p * WIDE);
        tile(left[i], right[p], K);
        for (let r = 0; r < rows; r++) {
          const at = (i * WIDE + r) * N + j + p * WIDE;
          for (let c = 0; c < columns; c++) out[at + c] = sums[r * WIDE + c];
        }
      }
    }
  }
}

/** One row of a: out[j] = Σ_k a[k] · b[j, k], the same sums without panels.          b: [N, K] */
export function multiplyRow(
  a: Numbers,
  b: Numbers,
  N: number,
  K: number,
  out: Float64Array,
  at: number,
): void {
  let j = 0;
  for (; j + WIDE <= N; j += WIDE) {
    const b0 = j * K;
    const b1 = b0 + K;
    const b2 = b1 + K;
    const b3 = b2 + K;
    let s0 = 0;
    let s1 = 0;
    let s2 = 0;
    let s3 = 0;
    for (let k = 0; k < K; k++) {
      const value = a[k];
      s0 += value * b[b0 + k];
      s1 += value * b[b1 + k];
      s2 += value * b[b2 + k];
      s3 += value * b[b3 + k];
    }
    out[at + j] = s0;
    out[at + j + 1] = s1;
    out[at + j + 2] = s2;
    out[at + j + 3] = s3;
  }
  for (; j < N; j++) {
    let sum = 0;
    for (let k = 0; k < K; k++) sum += a[k] * b[j * K + k];
    out[at + j] = sum;
  }
}

function packAll(operand: Packer, first: number, rows: number, K: number): Float64Array[] {
  const panels: Float64Array[] = [];
  for (let i = 0; i < rows; i += WIDE) {
    const panel = new Float64Array(WIDE * K);
    operand(first + i, Math.min(WIDE, rows - i), panel);
    panels.push(panel);
  }
  return panels;
}

const sums = new Float64Array(WIDE * WIDE);

/** The 16 sums of two panels, written out so that they stay in registers. */
// prettier-ignore
function tile(a: Float64Array, b: Float64Array, K: number): void {
  let s00 = 0, s01 = 0, s02 = 0, s03 = 0;
  let s10 = 0, s11 = 0, s12 = 0, s13 = 0;
  let s20 = 0, s21 = 0, s22 = 0, s23 = 0;
  let s30 = 0, s31 = 0, s32 = 0, s33 = 0;
  for (let k = 0; k < WIDE * K; k += WIDE) {
    const b0 = b[k], b1 = b[k + 1], b2 = b[k + 2], b3 = b[k + 3];
    const a0 = a[k];
    s00 += a0 * b0; s01 += a0 * b1; s02 += a0 * b2; s03 += a0 * b3;
    const a1 = a[k + 1];
    s10 += a1 * b0; s11 += a1 * b1; s12 += a1 * b2; s13 += a1 * b3;
    const a2 = a[k + 2];
    s20 += a2 * b0; s21 += a2 * b1; s22 += a2 * b2; s23 += a2 * b3;
    const a3 = a[k + 3];
    s30 += a3 * b0; s31 += a3 * b1; s32 += a3 * b2; s33 += a3 * b3;
  }
  sums[0] = s00; sums[1] = s01; sums[2] = s02; sums[3] = s03;
  sums[4] = s10; sums[5] = s11; sums[6] = s12; sums[7] = s13;
  sums[8] = s20; sums[9] = s21; sums[10] = s22; sums[11] = s23;
  sums[12] = s30; sums[13] = s31; sums[14] = s32; sums[15] = s33;
}
