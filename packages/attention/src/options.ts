import { checkNames, fail } from './errors.ts';
import type { AttentionOptions, FloatArray, HeadOptions, Problem } from './types.ts';

export const HEAD_NAMES = ['heads', 'kvHeads', 'headDim', 'scale', 'window'] as const;
export const ATTENTION_NAMES = [...HEAD_NAMES, 'segments', 'queryOffset'] as const;

/** H, K, E, scale and window with their defaults. */
export function resolveHeads(op: string, options: HeadOptions): Required<HeadOptions> {
  const { heads, headDim } = options;
  const kvHeads = options.kvHeads ?? heads;
  for (const [name, value] of Object.entries({ heads, kvHeads, headDim })) {
    if (!Number.isInteger(value) || value < 1) fail(op, `${name} is ${value}.`, 'give a positive integer');
  }
  if (heads % kvHeads !== 0)
    fail(op, `${heads} query heads cannot share ${kvHeads} key/value heads.`, 'kvHeads must divide heads');
  const scale = options.scale ?? 1 / Math.sqrt(headDim);
  if (!Number.isFinite(scale)) fail(op, `scale is ${scale}.`, 'leave it out for 1/√headDim');
  const window = options.window ?? Infinity;
  if (!(window === Infinity || Number.isSafeInteger(window)) || window < 1)
    fail(op, `window is ${window}.`, 'give a whole number above 0, or leave it out for all keys');
  return { heads, kvHeads, headDim, scale, window };
}

/** Number of rows of `width` elements in an array. */
export function countRows(op: string, name: string, array: FloatArray, width: number): number {
  const rows = array.length / width;
  if (!Number.isInteger(rows))
    fail(op, `${name} has ${array.length} elements, not a multiple of the row width ${width}.`);
  return rows;
}

/** Every array must have the precision of the first. */
export function checkPrecision(op: string, arrays: Readonly<Record<string, FloatArray>>): void {
  let first: string | undefined;
  for (const [name, array] of Object.entries(arrays)) {
    if (!(array instanceof Float32Array) && !(array instanceof Float64Array)) {
      fail(op, `${name} is not a Float32Array or Float64Array.`);
    }
    first ??= name;
    if (array.BYTES_PER_ELEMENT !== arrays[first].BYTES_PER_ELEMENT) {
      fail(
        op,
        `${first} and ${name} differ in precision.`,
        'use Float32Array for all, or Float64Array for all',
      );
    }
  }
}

/** Starts of consecutive row ranges: ascending, from 0 to `rows`. */
export function checkStarts(op: string, name: string, starts: Int32Array, rows: number): void {
  const last = starts.length - 1;
  if (last < 0 || starts[0] !== 0 || starts[last] !== rows) {
    fail(
      op,
      `${name} runs from ${starts[0]} to ${starts[last]}, but there are ${rows} rows.`,
      `start at 0 and end at ${rows}`,
    );
  }
  for (let s = 0; s < last; s++) {
    if (starts[s + 1] < starts[s])
      fail(op, `${name}[${s + 1}] = ${starts[s + 1]} lies before ${name}[${s}] = ${starts[s]}.`);
  }
}

/** Checks q, k, v against the options and fills in the defaults. */
export function resolveProblem(
  op: string,
  q: FloatArray,
  k: FloatArray,
  v: FloatArray,
  options: AttentionOptions,
  known: readonly string[] = ATTENTION_NAMES,
): Problem {
  checkNames(op, options, known);
  checkPrecision(op, { q, k, v });
  const heads = resolveHeads(op, options);
  const rows = countRows(op, 'q', q, heads.heads * heads.headDim);
  const keys = countRows(op, 'k', k, heads.kvHeads * heads.headDim);
  if (v.length !== k.length) fail(op, `v has ${v.length} elements, k has ${k.length}.`);
  const segments = options.segments ?? Int32Array.of(0, rows);
  checkStarts(op, 'segments', segments, rows);
  const queryOffset = options.queryOffset ?? keys - rows;
  if (!Number.isInteger(queryOffset)) fail(op, `queryOffset is ${queryOffset}.`, 'give an integer');
  if (segments.length > 2 && (keys !== rows || queryOffset !== 0)) {
    fail(
      op,
      `${rows} query rows in ${segments.length - 1} segments face ${keys} keys at offset ${queryOffset}.`,
      'packed segments need as many keys as queries and no offset',
    );
  }
  return { ...heads, segments, queryOffset, keys };
}

/** An array of the same precision as `like`. */
export function allocate<A extends FloatArray>(like: A, length: number): A {
  // the branch is A's own
  return (like instanceof Float64Array ? new Float64Array(length) : new Float32Array(length)) as A;
}
