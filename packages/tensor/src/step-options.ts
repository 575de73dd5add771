import type { Device } from './device.ts';
import type { ComputeDType } from './dtype.ts';
import { checkOptions, fail } from './errors.ts';
import { describe, type Tensor } from './tensor.ts';

/**
 * What the forward pass keeps for the backward pass: `none` recomputes nothing, `selective` makes
 * norms and silu·mul again and keeps the outputs of linear layers (section 2.4 of the paper),
 * `full` keeps block inputs only and runs each block again.
 */
export type Recompute = 'none' | 'selective' | 'full';

/** The paged key/value cache as a step sees it; whoever schedules sequences owns the memory and the block tables. */
export interface PagedCache {
  /** Per layer, [blocks, blockSize, K·E] each. */
  readonly layers: readonly { readonly keys: Tensor; readonly values: Tensor }[];
  /** Where each row's key and value go: block · blockSize + place.                  i32 [T] */
  readonly slots: ArrayLike<number>;
  /** Blocks of each sequence, flattened, padded with 0.                             i32 [S, blocksPerSequence] */
  readonly blockTable: ArrayLike<number>;
  readonly blocksPerSequence: number;
  /** First row of each sequence, and T at the end.                                  i32 [S + 1] */
  readonly queryStarts: ArrayLike<number>;
  /** Keys of each sequence, those of this step included.                            i32 [S] */
  readonly lengths: ArrayLike<number>;
}

export interface StepOptions {
  /** T, the number of tokens that go through the model together, of all sequences. */
  readonly rows: number;
  /** Dtype of activations; default f32. */
  readonly dtype?: ComputeDType;
  /** Keep what a backward pass needs; default false. */
  readonly training?: boolean;
  /** Default `none`. */
  readonly recompute?: Recompute;
  /** First row of each packed sequence, and `rows` at the end; default one sequence. Not together with `cache`. */
  readonly segments?: ArrayLike<number>;
  /** Position of each row in its sequence; default counts from 0 in each segment, or on from what the cache holds. */
  readonly positions?: ArrayLike<number>;
  /** Attend over this cache and add to it. */
  readonly cache?: PagedCache;
}

/** Counts from 0 in each segment, or on from what the cache holds. */
export function defaultPositions(options: StepOptions, segments: ArrayLike<number>): Int32Array {
  const positions = new Int32Array(options.rows);
  const starts = options.cache ? options.cache.queryStarts : segments;
  for (let s = 0; s + 1 < starts.length; s++) {
    const rows = starts[s + 1] - starts[s];
    const first = options.cache ? options.cache.lengths[s] - rows : 0;
    for (let i = 0; i < rows; i++) positions[starts[s] + i] = first + i;
  }
  return positions;
}

const OPTION_NAMES = ['rows', 'dtype', 'training', 'recompute', 'segments', 'positions', 'cache'];

/** The largest position, so that tables can be made long enough; refuses what is no position. */
export function largestPosition(positions: ArrayLike<number>): number {
  let largest = 0;
  for (let t = 0; t < positions.length; t++) {
    const position = positions[t];
    if (!(Number.isInteger(position) && position >= 0))
      fail('device.step', `position ${position} of row ${t} is not a position.`);
    if (position > largest) largest = position;
  }
  return largest;
}

/** Refuses options that do not fit together, with their values. */
export function checkStep(device: Device, options: StepOptions): void {
  const { rows, dtype = 'f32', cache } = options;
  checkOptions('device.step', options, OPTION_NAMES);
  if (!Number.isInteger(rows) || rows < 1)
    fail('device.step', `rows is ${rows}.`, 'a step has at least one token');
  if (!device.computeDTypes.has(dtype)) {
    fail(
      'device.step',
      `${device.name} does not compute in ${dtype}.`,
      `it does in ${[...device.computeDTypes].join(', ')}`,
    );
  }
  if (options.positions && options.positions.length !== rows) {
    fail('device.step', `${options.positions.length} positions for ${rows} rows.`);
  }
  if (cache && options.segments)
    fail('device.step', 'both segments and a cache were given.', 'the cache has queryStarts instead');
  if (cache && options.training)
    fail('device.step', 'a training step was given a cache.', 'train without one');
  checkStarts(
    cache ? 'cache.queryStarts' : 'segments',
    cache ? cache.queryStarts : (options.segments ?? [0, rows]),
    rows,
  );
  if (cache) checkCache(cache, rows);
}

function checkStarts(name: string, starts: ArrayLike<number>, rows: number): void {
  const last = starts.length - 1;
  let ascending = last >= 1 && starts[0] === 0 && starts[last] === rows;
  for (let i = 0; i < last; i++) ascending &&= Number.isInteger(starts[i]) && starts[i] < starts[i + 1];
  if (!ascending) {
    const shown = Array.from({ length: Math.min(starts.length, 8) }, (_, i) => starts[i]).join(', ');
    fail(
      'device.step',
      `${name} [${shown}${starts.length > 8 ? ', …' : ''}] do not ascend from 0 to ${rows}.`,
    );
  }
}

function checkCache(cache: PagedCache, rows: number): void {
  const sequences = cache.lengths.length;
  const first = cache.layers[0];
  if (!first) fail('device.step', 'the cache has no layers.');
  const [blocks = 0, blockSize = 0] = first.keys.shape;
  if (cache.slots.length !== rows) fail('device.step', `${cache.slots.length} cache slots for ${rows} rows.`);
  if (cache.queryStarts.length !== sequences + 1) {
    fail(
      'device.step',
      `${cache.queryStarts.length} queryStarts for ${sequences} lengths.`,
      'there is one more start than sequences',
    );
  }
  if (cache.blockTable.length !== sequences * cache.blocksPerSequence) {
    fail(
      'device.step',
      `a block table of ${cache.blockTable.length} for ${sequences} sequences of ${cache.blocksPerSequence} blocks.`,
    );
  }
  for (let t = 0; t < rows; t++) {
    if (!(cache.slots[t] >= -1 && cache.slots[t] < blocks * blockSize)) {
      fail('device.step', `slot ${cache.slots[t]} of row ${t} is outside ${describe(first.keys)}.`);
    }
  }
  for (let s = 0; s < sequences; s++) {
    const queries = cache.queryStarts[s + 1] - cache.queryStarts[s];
    const length = cache.lengths[s];
    if (!(length >= queries && length <= cache.blocksPerSequence * blockSize)) {
      fail(
        'device.step',
        `sequence ${s} has ${queries} new rows and length ${length}, with ${cache.blocksPerSequence} ` +
          `blocks of ${blockSize}.`,
      );
    }
    for (let b = 0; b * blockSize < length; b++) {
      const block = cache.blockTable[s * cache.blocksPerSequence + b];
      if (!(block >= 0 && block < blocks))
        fail('device.step', `block ${block} of sequence ${s} is outside ${describe(first.keys)}.`);
    }
  }
}
