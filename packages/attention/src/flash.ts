/**
 * Blocked attention with an online softmax (Milakov & Gimelshein 2018; Dao et al. 2022): tiles of
 * query rows walk chunks of keys with a running maximum m and sum l, so only q, k, v, out and lse
 * are ever stored, and chunks that causality or the window hides are never touched.
 */
import { fail } from './errors.ts';
import { allocate, resolveProblem } from './options.ts';
import { BY_ROW, KEY_CHUNK, ROW_TILE, accumulateRows, multiplyRows } from './tile.ts';
import type { AttentionOptions, AttentionResult, FloatArray, Problem } from './types.ts';

/**
 * Causal grouped-query attention: out and lse of `attention`, in O(T) memory.
 * q, out: [T, H, E]   k, v: [N, K, E]   lse: [T, H]
 */
export function flashAttention<A extends FloatArray>(
  q: A,
  k: A,
  v: A,
  options: AttentionOptions,
): AttentionResult<A> {
  const problem = resolveProblem('flashAttention', q, k, v, options);
  const out = allocate(q, q.length);
  const lse = allocate(q, q.length / problem.headDim);
  flashForward(out, lse, q, k, v, problem);
  return { out, lse };
}

/** `flashAttention` into arrays of the caller, shapes unchecked: what a device calls. */
export function flashForward(
  out: FloatArray,
  lse: FloatArray,
  q: FloatArray,
  k: FloatArray,
  v: FloatArray,
  problem: Problem,
): void {
  const { segments, queryOffset, heads, kvHeads, headDim: E, keys, window } = problem;
  const scratch = new ForwardScratch(q, E);
  for (let s = 0; s + 1 < segments.length; s++) {
    const length = segments.length > 2 ? segments[s + 1] - segments[s] : keys;
    for (let row = segments[s]; row < segments[s + 1]; row += ROW_TILE) {
      for (let h = 0; h < heads; h++) {
        const head = Math.floor(h / (heads / kvHeads));
        const tile = {
          row,
          rows: Math.min(ROW_TILE, segments[s + 1] - row),
          head: h,
          heads,
          position: row - segments[s] + queryOffset,
          length,
          window,
        };
        forwardTile(out, lse, q, k, v, tile, scratch, problem.scale, (at, first, count) => {
          for (let j = 0; j < count; j++) at[j] = ((segments[s] + first + j) * kvHeads + head) * E;
        });
      }
    }
  }
}

/** Consecutive query rows of one head and one sequence. */
export interface RowTile {
  /** First row in q, and how many (at most ROW_TILE). */
  readonly row: number;
  readonly rows: number;
  readonly head: number;
  readonly heads: number;
  /** Position of the first row, in keys of its own sequence. */
  readonly position: number;
  /** Keys of the sequence. */
  readonly length: number;
  /** Keys that a row sees at most. */
  readonly window: number;
}

/** Writes the offsets of keys first to first + count of the sequence at hand into `at`. */
export type LocateKeys = (at: Int32Array, first: number, count: number) => void;

export class ForwardScratch {
  readonly scores: FloatArray;
  readonly sums: Float64Array;
  readonly max = new Float64Array(ROW_TILE);
  readonly total = new Float64Array(ROW_TILE);
  readonly from = new Int32Array(ROW_TILE);
  readonly limits = new Int32Array(ROW_TILE);
  readonly queryAt = new Int32Array(ROW_TILE);
  readonly keyAt = new Int32Array(KEY_CHUNK);

  constructor(like: FloatArray, width: number) {
    this.scores = allocate(like, ROW_TILE * KEY_CHUNK);
    this.sums = new Float64Array(ROW_TILE * width);
  }
}

/** Keys that row i of the tile sees within the chunk that starts at `first`. */
export function setLimits(limits: Int32Array, tile: RowTile, first: number): void {
  for (let i = 0; i < tile.rows; i++) {
    limits[i] = Math.max(0, Math.min(tile.position + i + 1, tile.length) - first);
    if (limits[i] > KEY_CHUNK) limits[i] = KEY_CHUNK;
  }
}

/** Keys of the chunk that starts at `first` which lie before the window of row i. */
export function setStarts(starts: Int32Array, tile: RowTile, first: number): void {
  for (let i = 0; i < tile.rows; i++) {
    starts[i] = Math.min(KEY_CHUNK, Math.max(0, tile.position + i + 1 - tile.window - first));
  }
}

/** First key of the first chunk that the tile sees something of. */
export function firstChunk(tile: RowTile): number {
  const start = Math.max(0, tile.position + 1 - tile.window);
  return start - (start % KEY_CHUNK);
}

/**
 * The one routine behind full, packed, chunked and paged attention: a row's bits do not depend on
 * which of them asks.
 */
export function forwardTile(
  out: FloatArray,
  lse: FloatArray | undefined,
  q: FloatArray,
  k: FloatArray,
  v: FloatArray,
  tile: RowTile,
  scratch: ForwardScratch,
  scale: number,
  locate: LocateKeys,
): void {
  const { rows, heads } = tile;
  const { scores, sums, max, total, from, limits, queryAt, keyAt } = scratch;
  const E = sums.length / ROW_TILE;
  for (let i = 0; i < rows; i++) queryAt[i] = ((tile.row + i) * heads + tile.head) * E;
  sums.fill(0);
  max.fill(-Infinity);
  total.fill(0);
  const end = Math.min(tile.position + rows, tile.length);
  for (let first = firstChunk(tile); first < end; first += KEY_CHUNK) {
    locate(keyAt, first, Math.min(KEY_CHUNK, end - first));
    setLimits(limits, tile, first);
    setStarts(from, tile, first);
    multiplyRows(scores, q, queryAt, rows, k, keyAt, limits, E, scale);
    for (let i = 0; i < rows; i++) softmaxStep(scratch, i, E);
    accumulateRows(sums, 0, scores, BY_ROW, rows, from, limits, v, keyAt, E);
  }
  for (let i = 0; i < rows; i++) {
    const empty = total[i] === 0;
    if (lse) lse[queryAt[i] / E] = empty ? -Infinity : max[i] + Math.log(total[i]);
    for (let e = 0; e < E; e++) out[queryAt[i] + e] = empty ? 0 : sums[i * E + e] / total[i];
  }
}

/** Scores that the row sees → exp(score − m), with m, l and the sums so far brought to the new maximum. */
function softmaxStep({ scores, sums, max, total, from, limits }: ForwardScratch, i: number, E: number): void {
  const start = i * KEY_CHUNK + from[i];
  const end = i * KEY_CHUNK + limits[i];
  let m = max[i];
  for (let j = start; j < end; j++) if (scores[j] > m) m = scores[j];
  if (m > max[i]) {
    const shrink = Math.exp(max[i] - m);
    total[i] *= shrink;
    for (let e = i * E; e < (i + 1) * E; e++) sums[e] *= shrink;
    max[i] = m;
  }
  let sum = total[i];
  for (let j = start; j < end; j++) {
    scores[j] = Math.exp(scores[j] - m);
    sum += scores[j];
  }
  total[i] = sum;
}

/** Checks the arrays that a backward pass adds to a problem. */
export function checkLikeQuery(
  op: string,
  q: FloatArray,
  E: number,
  arrays: Readonly<Record<string, FloatArray>>,
): void {
  for (const [name, array] of Object.entries(arrays)) {
    const expected = name === 'lse' ? q.length / E : q.length;
    if (array.length !== expected)
      fail(
        op,
        `${name} has ${array.length} elements, expected ${expected}.`,
        'pass what the forward pass returned',
      );
  }
}
