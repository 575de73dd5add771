import type { DType } from '../../dtype.ts';
import type { Case, CaseOptions } from '../case.ts';

const SIZES = [
  [1, 1, 2],
  [3, 17, 5],
  [17, 64, 100],
  [65, 63, 7],
  [130, 100, 33],
] as const;

export function rowCases({ weights }: CaseOptions): Case[] {
  return [
    ...sizeCases(),
    ...partSizeCases(),
    ...weights.flatMap((dtype) => [tableCase(dtype), partCase(dtype)]),
  ];
}

/** Rows 5 to 9 of a table of 20 in another dtype: tokens before and behind them are other parts'. */
function partCase(dtype: DType): Case {
  return {
    kernel: 'embedding',
    name: `part of a table ${dtype}`,
    run(b) {
      const [tokens, table, y] = [b.indices(33, 20), b.weight([5, 512], dtype), b.output([33, 512])];
      b.kernels.embedding(y, tokens, table, { first: 5, of: 20 });
      return { y };
    },
  };
}

/** A table in another dtype than the activations. */
function tableCase(dtype: DType): Case {
  return {
    kernel: 'embedding',
    name: `table ${dtype}`,
    run(b) {
      const [tokens, table, y] = [b.indices(33, 9), b.weight([9, 512], dtype), b.output([33, 512])];
      b.kernels.embedding(y, tokens, table);
      return { y };
    },
  };
}

function sizeCases(): Case[] {
  return SIZES.flatMap(([T, D, V]): Case[] => [
    {
      kernel: 'embedding',
      name: `T ${T}, D ${D}, V ${V}`,
      exact: true,
      run(b) {
        const [tokens, table, y] = [b.indices(T, V), b.normal([V, D]), b.output([T, D])];
        b.kernels.embedding(y, tokens, table);
        return { y };
      },
    },
    {
      kernel: 'embeddingGrad',
      name: `T ${T}, D ${D}, V ${V}, tokens repeat`,
      run(b) {
        const [tokens, dy, dtable] = [
          b.indices(T, V),
          b.normal([T, D]),
          b.changing('normal', [V, D], 'wide'),
        ];
        b.kernels.embeddingGrad(dtable, dy, tokens);
        return { dtable };
      },
    },
    {
      kernel: 'gatherRows',
      name: `T ${T}, D ${D}, ${V} rows`,
      exact: true,
      run(b) {
        const [x, rows, y] = [b.normal([T, D]), b.indices(V, T), b.output([V, D])];
        b.kernels.gatherRows(y, x, rows);
        return { y };
      },
    },
    {
      kernel: 'cacheWrite',
      name: `T ${T}, width ${D}, blocks of 4`,
      exact: true,
      run(b) {
        const blocks = Math.ceil(T / 4) + 2;
        const caches = [b.changing('normal', [blocks, 4, D]), b.changing('normal', [blocks, 4, D])] as const;
        // Backwards through the blocks, every fifth row nowhere.
        const slots = b.integers(
          Int32Array.from({ length: T }, (_, t) => (t % 5 === 4 ? -1 : blocks * 4 - 2 - t)),
        );
        b.kernels.cacheWrite(...caches, b.normal([T, D]), b.normal([T, D]), slots);
        return { keyCache: caches[0], valueCache: caches[1] };
      },
    },
  ]);
}

/** Rows V to 2V of a vocabulary of 3V. */
function partSizeCases(): Case[] {
  return SIZES.flatMap(([T, D, V]): Case[] => [
    {
      kernel: 'embedding',
      name: `T ${T}, D ${D}, ${V} rows of a vocabulary of ${3 * V}`,
      exact: true,
      run(b) {
        const [tokens, table, y] = [b.indices(T, 3 * V), b.normal([V, D]), b.output([T, D])];
        b.kernels.embedding(y, tokens, table, { first: V, of: 3 * V });
        return { y };
      },
    },
    {
      kernel: 'embeddingGrad',
      name: `T ${T}, D ${D}, ${V} rows of a vocabulary of ${3 * V}`,
      run(b) {
        const [tokens, dy] = [b.indices(T, 3 * V), b.normal([T, D])];
        const dtable = b.changing('normal', [V, D], 'wide');
        b.kernels.embeddingGrad(dtable, dy, tokens, { first: V, of: 3 * V });
        return { dtable };
      },
    },
  ]);
}
