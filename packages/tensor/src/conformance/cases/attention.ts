import type { DType } from '../../dtype.ts';
import type { AttentionShape } from '../../kernels.ts';
import type { Tensor } from '../../tensor.ts';
import type { Bench } from '../bench.ts';
import type { Case } from '../case.ts';

interface Shape extends AttentionShape {
  readonly E: number;
  /** Rows of each packed segment. */
  readonly lengths: readonly number[];
}

const SHAPES: readonly Shape[] = [
  { heads: 1, kvHeads: 1, E: 1, lengths: [1] },
  { heads: 3, kvHeads: 3, E: 5, lengths: [9] },
  { heads: 6, kvHeads: 2, E: 10, lengths: [17, 1, 2] },
  { heads: 4, kvHeads: 1, E: 64, lengths: [63, 65] },
  { heads: 2, kvHeads: 1, E: 8, lengths: [1, 1, 200, 3], scale: 0.2 },
  { heads: 4, kvHeads: 2, E: 32, lengths: [129, 64] },
  { heads: 4, kvHeads: 2, E: 12, lengths: [40, 1, 190], window: 17 },
  { heads: 3, kvHeads: 1, E: 32, lengths: [300], window: 129 },
];

/**
 * Caches stored otherwise than activations: head widths that are whole blocks, sequences that end
 * at, before and after chunks of 128.
 */
const STORED: readonly { readonly shape: Shape; readonly blockSize: number }[] = [
  { shape: { heads: 8, kvHeads: 1, E: 32, lengths: [0, 128, 0, 300] }, blockSize: 16 },
  { shape: { heads: 4, kvHeads: 4, E: 64, lengths: [129, 1, 40] }, blockSize: 128 },
  { shape: { heads: 6, kvHeads: 2, E: 96, lengths: [255, 127] }, blockSize: 32 },
  { shape: { heads: 5, kvHeads: 1, E: 128, lengths: [270] }, blockSize: 64 },
  { shape: { heads: 4, kvHeads: 2, E: 64, lengths: [290, 20, 128], window: 60 }, blockSize: 16 },
];

/** How keys and values may be stored besides the compute dtype. */
export const CACHES: readonly DType[] = ['f32', 'bf16', 'f16', 'q8_0'];

export function attentionCases(): Case[] {
  const nameOf = ({ heads, kvHeads, E, lengths, window }: Shape) =>
    `H ${heads}, K ${kvHeads}, E ${E}, segments of ${lengths.join(', ')}${window ? `, window ${window}` : ''}`;
  return [
    ...SHAPES.flatMap((shape) => [
      forwardCase(nameOf(shape), shape),
      gradCase(nameOf(shape), shape),
      pagedCase(nameOf(shape), shape, 1),
      pagedCase(nameOf(shape), shape, Infinity),
    ]),
    ...STORED.flatMap(({ shape, blockSize }, i) => {
      const name = `${nameOf(shape)}, blocks of ${blockSize}`;
      const over = (rows: number, dtype: DType) =>
        pagedCase(`${name}, cache ${dtype}`, shape, rows, blockSize, dtype);
      return [
        pagedCase(name, shape, 3, blockSize),
        ...CACHES.map((dtype) => over(1, dtype)),
        over(Infinity, CACHES[(i + 1) % CACHES.length]),
      ];
    }),
  ];
}

/** 0 and the ends of consecutive runs. */
export function startsOf(lengths: readonly number[]): number[] {
  return lengths.reduce((starts, length) => [...starts, (starts.at(-1) ?? 0) + length], [0]);
}

function operands(b: Bench, { heads, kvHeads, E, lengths }: Shape) {
  const T = lengths.reduce((sum, length) => sum + length, 0);
  const [q, k, v] = [b.normal([T, heads * E], 1.5), b.normal([T, kvHeads * E]), b.normal([T, kvHeads * E])];
  return {
    T,
    q,
    k,
    v,
    out: b.output([T, heads * E]),
    lse: b.wideOutput([T, heads]),
    segments: b.integers(startsOf(lengths)),
  };
}

function forwardCase(name: string, shape: Shape): Case {
  return {
    kernel: 'attention',
    name,
    run(b) {
      const { q, k, v, out, lse, segments } = operands(b, shape);
      b.kernels.attention(out, lse, q, k, v, segments, shape);
      return { out, lse };
    },
  };
}

function gradCase(name: string, shape: Shape): Case {
  return {
    kernel: 'attentionGrad',
    name,
    run(b) {
      const { q, k, v, out, lse, segments } = operands(b, shape);
      const dout = b.normal(q.shape);
      const [dq, dk, dv] = [b.output(q.shape), b.output(k.shape), b.output(v.shape)];
      b.kernels.attention(out, lse, q, k, v, segments, shape);
      b.kernels.attentionGrad(dq, dk, dv, dout, q, k, v, out, lse, segments, shape);
      return { dq, dk, dv };
    },
  };
}

/** The last `rows` rows of every sequence over a cache of scattered blocks, NaN wherever no key was written. */
function pagedCase(name: string, shape: Shape, rows: number, blockSize = 16, dtype?: DType): Case {
  return {
    kernel: 'pagedAttention',
    name: `${name}, ${rows === 1 ? 'decode' : rows === 3 ? 'a few rows' : 'prefill'}`,
    run(b) {
      const { heads, kvHeads, E, lengths } = shape;
      const queries = lengths.map((length) => Math.min(rows, length));
      const T = queries.reduce((sum, count) => sum + count, 0);
      const [q, out] = [b.normal([T, heads * E], 1.5), b.output([T, heads * E])];
      const total = lengths.reduce((sum, length) => sum + length, 0);
      const { caches, blockTable } = fillCache(
        b,
        lengths,
        b.normal([total, kvHeads * E]),
        b.normal([total, kvHeads * E]),
        blockSize,
        dtype,
      );
      b.kernels.pagedAttention(
        out,
        q,
        ...caches,
        blockTable,
        b.integers(startsOf(queries)),
        b.integers(lengths),
        shape,
      );
      return dtype ? { halved: out } : { out };
    },
  };
}

/** Blocks are handed out from the last to the first, one sequence after another. */
export function fillCache(
  b: Bench,
  lengths: readonly number[],
  k: Tensor,
  v: Tensor,
  blockSize = 16,
  dtype?: DType,
) {
  const perSequence = Math.max(...lengths.map((length) => Math.ceil(length / blockSize)));
  const blocks = lengths.length * perSequence + 1;
  const table = Int32Array.from({ length: lengths.length * perSequence }, (_, i) => blocks - 1 - i);
  const slots = lengths.flatMap((length, s) =>
    Array.from({ length }, (_, p) => {
      const block = table[s * perSequence + Math.floor(p / blockSize)];
      return block * blockSize + (p % blockSize);
    }),
  );
  const shape = [blocks, blockSize, k.columns];
  const caches = [b.cache(shape, dtype), b.cache(shape, dtype)] as const;
  b.kernels.cacheWrite(...caches, k, v, b.integers(slots));
  return { caches, blockTable: b.integers(table, [lengths.length, perSequence]) };
}
