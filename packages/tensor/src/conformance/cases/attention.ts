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
];

export function attentionCases(): Case[] {
  return SHAPES.flatMap((shape) => {
    const name = `H ${shape.heads}, K ${shape.kvHeads}, E ${shape.E}, segments of ${shape.lengths.join(', ')}`;
    return [
      forwardCase(name, shape),
      gradCase(name, shape),
      pagedCase(name, shape, 1),
      pagedCase(name, shape, Infinity),
    ];
  });
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
function pagedCase(name: string, shape: Shape, rows: number): Case {
  return {
    kernel: 'pagedAttention',
    name: `${name}, ${rows === 1 ? 'decode' : 'prefill'}`,
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
      return { out };
    },
  };
}

/** Blocks are handed out from the last to the first, one sequence after another. */
export function fillCache(b: Bench, lengths: readonly number[], k: Tensor, v: Tensor, blockSize = 16) {
  const perSequence = Math.max(...lengths.map((length) => Math.ceil(length / blockSize)));
  const blocks = lengths.length * perSequence + 1;
  const table = Int32Array.from({ length: lengths.length * perSequence }, (_, i) => blocks - 1 - i);
  const slots = lengths.flatMap((length, s) =>
    Array.from({ length }, (_, p) => {
      const block = table[s * perSequence + Math.floor(p / blockSize)];
      return block * blockSize + (p % blockSize);
    }),
  );
  const caches = [
    b.output([blocks, blockSize, k.columns]),
    b.output([blocks, blockSize, k.columns]),
  ] as const;
  b.kernels.cacheWrite(...caches, k, v, b.integers(slots));
  return { caches, blockTable: b.integers(table, [lengths.length, perSequence]) };
}
