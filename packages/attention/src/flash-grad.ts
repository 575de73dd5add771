import { BY_KEY, BY_ROW, KEY_CHUNK, ROW_TILE, accumulateRows, multiplyRows } from './tile.ts';
import { checkLikeQuery, firstChunk, setLimits, setStarts } from './flash.ts';
import type { RowTile } from './flash.ts';
import { allocate, checkPrecision, resolveProblem } from './options.ts';
import type { AttentionGradients, AttentionOptions, FloatArray, Problem } from './types.ts';

/**
 * Gradients of `flashAttention` from what it left: p is made again tile by tile from q, k and lse.
 *
 * dout, out, dq: [T, H, E]   lse: [T, H]   dk, dv: [N, K, E]. Throws `AttentionError` on shapes that do not fit.
 */
export function flashAttentionGrad<A extends FloatArray>(
  dout: A,
  q: A,
  k: A,
  v: A,
  out: A,
  lse: A,
  options: AttentionOptions,
): AttentionGradients<A> {
  const op = 'flashAttentionGrad';
  const problem = resolveProblem(op, q, k, v, options);
  checkPrecision(op, { q, dout, out, lse });
  checkLikeQuery(op, q, problem.headDim, { dout, out, lse });
  const [dq, dk, dv] = [allocate(q, q.length), allocate(k, k.length), allocate(v, v.length)];
  flashBackward(dq, dk, dv, dout, q, k, v, out, lse, problem);
  return { dq, dk, dv };
}

/** `flashAttentionGrad` into arrays of the caller (overwritten), shapes unchecked: what a device calls. */
export function flashBackward(
  dq: FloatArray,
  dk: FloatArray,
  dv: FloatArray,
  dout: FloatArray,
  q: FloatArray,
  k: FloatArray,
  v: FloatArray,
  out: FloatArray,
  lse: FloatArray,
  problem: Problem,
): void {
  const { segments, queryOffset, heads, kvHeads, headDim: E, keys, window } = problem;
  const group = heads / kvHeads;
  for (let s = 0; s + 1 < segments.length; s++) {
    const length = segments.length > 2 ? segments[s + 1] - segments[s] : keys;
    const scratch = new BackwardScratch(q, E, length);
    for (let head = 0; head < kvHeads; head++) {
      scratch.keySums.fill(0);
      scratch.valueSums.fill(0);
      const firstKey = (segments[s] * kvHeads + head) * E;
      for (let h = head * group; h < (head + 1) * group; h++) {
        for (let row = segments[s]; row < segments[s + 1]; row += ROW_TILE) {
          const tile = {
            row,
            rows: Math.min(ROW_TILE, segments[s + 1] - row),
            head: h,
            heads,
            position: row - segments[s] + queryOffset,
            length,
            window,
          };
          backwardTile(dq, dout, q, k, v, out, lse, tile, scratch, problem.scale, firstKey, kvHeads * E);
        }
      }
      for (let j = 0; j < length; j++) {
        for (let e = 0; e < E; e++) {
          dk[firstKey + j * kvHeads * E + e] = scratch.keySums[j * E + e];
          dv[firstKey + j * kvHeads * E + e] = scratch.valueSums[j * E + e];
        }
      }
    }
  }
}

class BackwardScratch {
  readonly p: FloatArray;
  readonly ds: FloatArray;
  readonly querySums: Float64Array;
  /** Of the whole segment: query tiles add to them in ascending order. */
  readonly keySums: Float64Array;
  readonly valueSums: Float64Array;
  readonly delta = new Float64Array(ROW_TILE);
  readonly limits = new Int32Array(ROW_TILE);
  readonly queryAt = new Int32Array(ROW_TILE);
  readonly keyAt = new Int32Array(KEY_CHUNK);
  readonly starts = new Int32Array(ROW_TILE);
  /** Of each key, the rows of the tile that see it: from firstSeen[j] to endSeen[j]. */
  readonly firstSeen = new Int32Array(KEY_CHUNK);
  readonly endSeen = new Int32Array(KEY_CHUNK);

  constructor(like: FloatArray, width: number, length: number) {
    this.p = allocate(like, ROW_TILE * KEY_CHUNK);
    this.ds = allocate(like, ROW_TILE * KEY_CHUNK);
    this.querySums = new Float64Array(ROW_TILE * width);
    this.keySums = new Float64Array(length * width);
    this.valueSums = new Float64Array(length * width);
  }
}

function backwardTile(
  dq: FloatArray,
  dout: FloatArray,
  q: FloatArray,
  k: FloatArray,
  v: FloatArray,
  out: FloatArray,
  lse: FloatArray,
  tile: RowTile,
  scratch: BackwardScratch,
  scale: number,
  firstKey: number,
  keyStep: number,
): void {
  const { rows, heads } = tile;
  const { p, ds, querySums, keySums, valueSums, delta, limits, starts, queryAt, keyAt } = scratch;
  const { firstSeen, endSeen } = scratch;
  const E = querySums.length / ROW_TILE;
  for (let i = 0; i < rows; i++) {
    queryAt[i] = ((tile.row + i) * heads + tile.head) * E;
    delta[i] = 0;
    for (let e = queryAt[i]; e < queryAt[i] + E; e++) delta[i] += dout[e] * out[e]; // Σ_j p · dp
  }
  querySums.fill(0);
  const end = Math.min(tile.position + rows, tile.length);
  for (let first = firstChunk(tile); first < end; first += KEY_CHUNK) {
    const count = Math.min(KEY_CHUNK, end - first);
    for (let j = 0; j < count; j++) keyAt[j] = firstKey + (first + j) * keyStep;
    setLimits(limits, tile, first);
    setStarts(starts, tile, first);
    for (let j = 0, i = 0, ended = 0; j < count; j++) {
      while (limits[i] <= j) i++;
      while (ended < rows && starts[ended] <= j) ended++;
      firstSeen[j] = i;
      endSeen[j] = Math.max(i, ended);
    }
    multiplyRows(p, q, queryAt, rows, k, keyAt, limits, E, scale);
    multiplyRows(ds, dout, queryAt, rows, v, keyAt, limits, E, 1); // dp = dout·v
    for (let i = 0; i < rows; i++) {
      const logSum = lse[queryAt[i] / E];
      for (let j = i * KEY_CHUNK + starts[i]; j < i * KEY_CHUNK + limits[i]; j++) {
        p[j] = Math.exp(p[j] - logSum); // p = softmax(score)
        ds[j] = scale * p[j] * (ds[j] - delta[i]);
      }
    }
    accumulateRows(querySums, 0, ds, BY_ROW, rows, starts, limits, k, keyAt, E); // score = scale · q·k
    accumulateRows(valueSums, first, p, BY_KEY, count, firstSeen, endSeen, dout, queryAt, E); // out = Σ p · v
    accumulateRows(keySums, first, ds, BY_KEY, count, firstSeen, endSeen, q, queryAt, E);
  }
  for (let i = 0; i < rows; i++) {
    for (let e = 0; e < E; e++) dq[queryAt[i] + e] = querySums[i * E + e];
  }
}
