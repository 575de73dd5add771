/**
 * The two small matrix products that attention is made of, over rows found by offset (so a packed
 * sequence and a paged cache read alike). Every element is one sum in ascending order that starts
 * at its own range, so its bits depend on nothing beside it.
 */
import type { FloatArray } from './types.ts';

/** Keys are walked in chunks of this many, counted from the first key of the segment or sequence. */
export const KEY_CHUNK = 128;
/** Query rows a tile. */
export const ROW_TILE = 64;

/**
 * products[i, j] = scale · Σ_e a[aAt[i] + e] · b[bAt[j] + e]
 * for j < limits[i], limits ascending.      products: [rows, KEY_CHUNK]
 */
export function multiplyRows(
  products: FloatArray,
  a: FloatArray,
  aAt: Int32Array,
  rows: number,
  b: FloatArray,
  bAt: Int32Array,
  limits: Int32Array,
  width: number,
  scale: number,
): void {
  for (let i = 0; i < rows; i += 2) {
    const pair = i + 1 < rows;
    const shared = pair ? limits[i] - (limits[i] % 4) : 0;
    for (let j = 0; j < shared; j += 4)
      multiplyBlock(products, i * KEY_CHUNK + j, a, aAt[i], aAt[i + 1], b, bAt, j, width, scale);
    multiplyRow(products, i, a, aAt[i], b, bAt, shared, limits[i], width, scale);
    if (pair) multiplyRow(products, i + 1, a, aAt[i + 1], b, bAt, shared, limits[i + 1], width, scale);
  }
}

/** Two rows by four keys, so that six loads feed eight sums. */
function multiplyBlock(
  products: FloatArray,
  at: number,
  a: FloatArray,
  a0: number,
  a1: number,
  b: FloatArray,
  bAt: Int32Array,
  j: number,
  width: number,
  scale: number,
): void {
  const b0 = bAt[j];
  const b1 = bAt[j + 1];
  const b2 = bAt[j + 2];
  const b3 = bAt[j + 3];
  let [s00, s01, s02, s03, s10, s11, s12, s13] = [0, 0, 0, 0, 0, 0, 0, 0];
  for (let e = 0; e < width; e++) {
    const x0 = a[a0 + e];
    const x1 = a[a1 + e];
    const y0 = b[b0 + e];
    const y1 = b[b1 + e];
    const y2 = b[b2 + e];
    const y3 = b[b3 + e];
    s00 += x0 * y0;
    s01 += x0 * y1;
    s02 += x0 * y2;
    s03 += x0 * y3;
    s10 += x1 * y0;
    s11 += x1 * y1;
    s12 += x1 * y2;
    s13 += x1 * y3;
  }
  products[at] = scale * s00;
  products[at + 1] = scale * s01;
  products[at + 2] = scale * s02;
  products[at + 3] = scale * s03;
  products[at + KEY_CHUNK] = scale * s10;
  products[at + KEY_CHUNK + 1] = scale * s11;
  products[at + KEY_CHUNK + 2] = scale * s12;
  products[at + KEY_CHUNK + 3] = scale * s13;
}

function multiplyRow(
  products: FloatArray,
  i: number,
  a: FloatArray,
  at: number,
  b: FloatArray,
  bAt: Int32Array,
  from: number,
  to: number,
  width: number,
  scale: number,
): void {
  for (let j = from; j < to; j++) {
    const key = bAt[j];
    let sum = 0;
    for (let e = 0; e < width; e++) sum += a[at + e] * b[key + e];
    products[i * KEY_CHUNK + j] = scale * sum;
  }
}

/** Where the weight of row i for summand j stands: weights[i · rowStep + j · step]. */
export interface WeightLayout {
  readonly rowStep: number;
  readonly step: number;
}

/** Rows are query rows, summands are keys. */
export const BY_ROW: WeightLayout = { rowStep: KEY_CHUNK, step: 1 };
/** Rows are keys, summands are query rows. */
export const BY_KEY: WeightLayout = { rowStep: 1, step: KEY_CHUNK };

/**
 * sums[first + i] += Σ_j weight[i, j] · b[bAt[j] + e]
 *   for from[i] ≤ j < to[i], both ascending in i.        sums: [*, width] doubles
 */
export function accumulateRows(
  sums: Float64Array,
  first: number,
  weights: FloatArray,
  layout: WeightLayout,
  rows: number,
  from: Int32Array,
  to: Int32Array,
  b: FloatArray,
  bAt: Int32Array,
  width: number,
): void {
  const { rowStep, step } = layout;
  for (let i = 0; i < rows; i += 2) {
    const at = (first + i) * width;
    const w = i * rowStep;
    if (i + 1 === rows || from[i + 1] >= to[i]) {
      accumulateRow(sums, at, weights, w, step, from[i], to[i], b, bAt, width);
      if (i + 1 < rows)
        accumulateRow(sums, at + width, weights, w + rowStep, step, from[i + 1], to[i + 1], b, bAt, width);
      continue;
    }
    const start = from[i + 1];
    const end = start + (to[i] - start) - ((to[i] - start) % 4);
    accumulateRow(sums, at, weights, w, step, from[i], start, b, bAt, width);
    for (let j = start; j < end; j += 4)
      accumulateBlock(sums, at, weights, w + j * step, rowStep, step, b, bAt, j, width);
    accumulateRow(sums, at, weights, w, step, end, to[i], b, bAt, width);
    accumulateRow(sums, at + width, weights, w + rowStep, step, end, to[i + 1], b, bAt, width);
  }
}

/** Two rows by four summands, added one after another as in `accumulateRow`. */
function accumulateBlock(
  sums: Float64Array,
  at: number,
  weights: FloatArray,
  w: number,
  rowStep: number,
  step: number,
  b: FloatArray,
  bAt: Int32Array,
  j: number,
  width: number,
): void {
  const b0 = bAt[j];
  const b1 = bAt[j + 1];
  const b2 = bAt[j + 2];
  const b3 = bAt[j + 3];
  const u0 = weights[w];
  const u1 = weights[w + step];
  const u2 = weights[w + 2 * step];
  const u3 = weights[w + 3 * step];
  const w0 = weights[w + rowStep];
  const w1 = weights[w + rowStep + step];
  const w2 = weights[w + rowStep + 2 * step];
  const w3 = weights[w + rowStep + 3 * step];
  for (let e = 0; e < width; e++) {
    const y0 = b[b0 + e];
    const y1 = b[b1 + e];
    const y2 = b[b2 + e];
    const y3 = b[b3 + e];
    sums[at + e] = sums[at + e] + u0 * y0 + u1 * y1 + u2 * y2 + u3 * y3;
    sums[at + width + e] = sums[at + width + e] + w0 * y0 + w1 * y1 + w2 * y2 + w3 * y3;
  }
}

function accumulateRow(
  sums: Float64Array,
  at: number,
  weights: FloatArray,
  w: number,
  step: number,
  from: number,
  to: number,
  b: FloatArray,
  bAt: Int32Array,
  width: number,
): void {
  for (let j = from; j < to; j++) {
    const weight = weights[w + j * step];
    const key = bAt[j];
    for (let e = 0; e < width; e++) sums[at + e] += weight * b[key + e];
  }
}
