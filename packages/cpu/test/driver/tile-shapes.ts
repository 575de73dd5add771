import { uniforms } from '@cria/tensor';

/* What the checks of attention by tiles share: shapes, numbers that bf16 holds, and comparison. */

export interface Shape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly E: number;
  /** Keys of each sequence, and how many rows at its end are queries. */
  readonly lengths: readonly number[];
  readonly rows: readonly number[];
  readonly blockSize: number;
  readonly scale?: number;
}

/**
 * Head widths on and off steps of 32 and tiles of 16, groups below, at and above a tile, lengths
 * around strips of 16 and chunks of 128.
 */
export const SHAPES: readonly Shape[] = [
  { heads: 1, kvHeads: 1, E: 16, lengths: [1], rows: [1], blockSize: 1 },
  { heads: 6, kvHeads: 6, E: 48, lengths: [33, 150], rows: [33, 70], blockSize: 16 },
  { heads: 8, kvHeads: 1, E: 64, lengths: [257, 128, 1], rows: [1, 1, 1], blockSize: 128 },
  { heads: 6, kvHeads: 2, E: 18, lengths: [131, 17], rows: [100, 2], blockSize: 8 },
  { heads: 20, kvHeads: 1, E: 34, lengths: [140], rows: [9], blockSize: 32, scale: 0.7 },
  { heads: 4, kvHeads: 2, E: 80, lengths: [20, 300], rows: [20, 3], blockSize: 64 },
  { heads: 3, kvHeads: 1, E: 100, lengths: [130], rows: [130], blockSize: 4, scale: -0.1 },
  { heads: 4, kvHeads: 4, E: 128, lengths: [127, 129], rows: [64, 65], blockSize: 4 },
  { heads: 2, kvHeads: 1, E: 256, lengths: [144, 3], rows: [40, 3], blockSize: 8 },
  { heads: 2, kvHeads: 2, E: 250, lengths: [47], rows: [16], blockSize: 2 },
];

export const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
export const startsOf = (lengths: readonly number[]) => [
  0,
  ...lengths.map((_, i) => sum(lengths.slice(0, i + 1))),
];
export const nameOf = (shape: Shape) => JSON.stringify(shape).replaceAll('"', '');

/** Numbers that bf16 holds, from −size to size. */
export function halves(length: number, stream: number, size = 1): Float32Array {
  const draws = new Float64Array(length);
  uniforms({ seed: 41, stream, start: 0 }, draws);
  const bits = new Uint32Array(Float32Array.from(draws, (u) => size * (2 * u - 1)).buffer);
  return new Float32Array(bits.map((word) => word & 0xffff0000).buffer);
}
export function whole(length: number, stream: number): Float32Array {
  return halves(length, stream, 4).map(Math.trunc);
}

export interface Operands {
  readonly q: Float32Array;
  readonly k: Float32Array;
  readonly v: Float32Array;
}

export function operands({ heads, kvHeads, E, lengths, rows }: Shape, seed: number): Operands {
  return {
    q: halves(sum(rows) * heads * E, seed, 2),
    k: halves(sum(lengths) * kvHeads * E, seed + 1, 2),
    v: halves(sum(lengths) * kvHeads * E, seed + 2),
  };
}

/** The first place where two results differ, or −1. */
export const differing = (a: Float32Array, b: Float32Array) =>
  a.findIndex((value, i) => !Object.is(value, b[i]));
