import { defaultPositions, largestPosition, type PagedCache, type StepOptions } from './step-options.ts';
import type { Shape, Tensor } from './tensor.ts';

/** The cache of a step, with its lists on the device. */
export interface CacheTensors {
  readonly layers: PagedCache['layers'];
  /** i32 [T] */
  readonly slots: Tensor;
  /** i32 [S, B] */
  readonly blockTable: Tensor;
  /** i32 [S + 1] */
  readonly queryStarts: Tensor;
  /** i32 [S] */
  readonly lengths: Tensor;
}

/** What a step knows about its rows. */
export interface RowContext {
  /** i32 [T] */
  readonly positions: Tensor;
  /** The largest of the positions, known without reading them back. */
  readonly maxPosition: number;
  /** i32 [S + 1]; undefined when a cache is used. */
  readonly segments: Tensor | undefined;
  readonly cache: CacheTensors | undefined;
  /**
   * What commands over this context depend on beside the numbers in its tensors: their shapes, and
   * the memory of the cache.
   */
  readonly key: readonly unknown[];
}

/** A list of the host, and its shape as a tensor; default as long as it is. */
interface RowList {
  readonly values: ArrayLike<number>;
  readonly shape?: Shape;
}

/**
 * The context of the rows that `options` describe. `write` brings lists to the device, all in one
 * go. The key follows from the lists that are brought, so whatever is added to them is part of what
 * recordings are found by.
 */
export function rowContext(
  options: StepOptions,
  write: (lists: readonly ArrayLike<number>[]) => Tensor[],
): RowContext {
  const { rows, cache, segments = [0, rows] } = options;
  const positions = options.positions ?? defaultPositions(options, segments);
  const maxPosition = largestPosition(positions);
  if (!cache) {
    const { tensors, key } = bring(
      { positions: { values: positions }, segments: { values: segments } },
      write,
    );
    return { ...tensors, maxPosition, cache, key };
  }
  const { layers, slots, blockTable, blocksPerSequence, queryStarts, lengths } = cache;
  const { tensors, key } = bring(
    {
      positions: { values: positions },
      slots: { values: slots },
      blockTable: { values: blockTable, shape: [lengths.length, blocksPerSequence] },
      queryStarts: { values: queryStarts },
      lengths: { values: lengths },
    },
    write,
  );
  const { positions: first, ...rest } = tensors;
  return {
    positions: first,
    maxPosition,
    segments: undefined,
    cache: { layers, ...rest },
    key: [...key, layers],
  };
}

function bring<Name extends string>(
  lists: Readonly<Record<Name, RowList>>,
  write: (lists: readonly ArrayLike<number>[]) => Tensor[],
): { readonly tensors: Readonly<Record<Name, Tensor>>; readonly key: readonly unknown[] } {
  const entries = Object.entries(lists) as [Name, RowList][];
  const written = write(entries.map(([, { values }]) => values));
  const shaped = entries.map(([name, { values, shape = [values.length] }], i) => {
    const tensor = written[i].reshape(...shape);
    return [name, tensor] as const;
  });
  return {
    tensors: Object.fromEntries(shaped) as Record<Name, Tensor>,
    key: shaped.flatMap(([name, { shape }]) => [name, ...shape]),
  };
}
