import type { Arena, Region } from './arena.ts';
import type { Device } from './device.ts';
import { byteLength, type ComputeDType, type DType } from './dtype.ts';
import { checkOptions, fail } from './errors.ts';
import { checkShape, describe, type Shape, sizeOf, Tensor } from './tensor.ts';

/**
 * What the forward pass keeps for the backward pass: `none` recomputes nothing, `selective` makes norms and silu·mul again and
 * keeps the outputs of linear layers (section 2.4 of the paper), `full` keeps block inputs only and runs each block again.
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

interface CacheTensors {
  readonly layers: PagedCache['layers'];
  readonly slots: Tensor;
  readonly blockTable: Tensor;
  readonly queryStarts: Tensor;
  readonly lengths: Tensor;
}

/** A way to make a tensor again, shared by all who saved it. */
interface Recipe {
  readonly make: () => Tensor;
  readers: number;
  made: Tensor | undefined;
}

type Saved = { readonly tensor: Tensor } | { readonly recipe: Recipe };

/**
 * One pass through a model. Holds the arena that activations come from, what is known about the rows (positions, segments or
 * cache), and the stack of what the backward pass needs. Who makes a tensor holds it once; `save` and `hold` hold it again; memory
 * returns when the last holder releases it, and at the latest when the step ends, so forgetting a release costs memory, not truth.
 */
export class Step implements Disposable {
  readonly device: Device;
  readonly rows: number;
  readonly dtype: ComputeDType;
  readonly training: boolean;
  /** i32 [T] */
  readonly positions: Tensor;
  /** The largest of the positions, known without reading them back. */
  readonly maxPosition: number;
  /** i32 [S + 1]; undefined when a cache is used. */
  readonly segments: Tensor | undefined;
  readonly cache: CacheTensors | undefined;
  readonly arena: Arena;
  #recompute: Recompute;
  #saving: boolean;
  #saved: Saved[] = [];
  #recipes = new Map<Region, Recipe>();
  /** Gives the arena back; gone once the step has ended. */
  #end: (() => void) | undefined;

  constructor(device: Device, arena: Arena, options: StepOptions, end: () => void) {
    this.device = device;
    this.arena = arena;
    this.rows = options.rows;
    this.dtype = options.dtype ?? 'f32';
    this.training = options.training ?? false;
    this.#recompute = options.recompute ?? 'none';
    this.#saving = this.training;
    this.#end = end;
    checkStep(device, options);
    const segments = options.segments ?? [0, options.rows];
    const positions = options.positions ?? defaultPositions(options, segments);
    this.maxPosition = largestPosition(positions);
    this.positions = this.integers(positions);
    this.segments = options.cache ? undefined : this.integers(segments);
    this.cache = options.cache && this.#uploadCache(options.cache);
  }

  get recompute(): Recompute {
    return this.#recompute;
  }

  /** A tensor from the arena, of the step's dtype unless another is named. Its elements are not set. */
  empty(shape: Shape, dtype: DType = this.dtype): Tensor {
    if (!this.#end) fail('step.empty', 'the step has ended.', 'its arena belongs to the next step now');
    checkShape('step.empty', shape, dtype);
    const region = this.arena.allocate(byteLength(dtype, sizeOf(shape)));
    return new Tensor(this.device, dtype, shape, { storage: region.storage, offset: region.offset, region });
  }

  /** Small host arrays of indices, as an i32 tensor of the arena. */
  integers(values: ArrayLike<number>, shape: Shape = [values.length]): Tensor {
    return this.empty(shape, 'i32').write(values);
  }

  /** One holder more; returns the tensor. */
  hold(tensor: Tensor): Tensor {
    if (tensor.region) tensor.region.holds++;
    return tensor;
  }

  /** One holder less: no command encoded later reads what this holder held. Tensors outside the arena are left alone. */
  release(...tensors: Tensor[]): void {
    if (!this.#end) fail('step.release', 'the step has ended.', 'its tensors went with it');
    for (const { region } of tensors) {
      if (!region) continue;
      if (region.holds === 0) fail('step.release', 'a tensor was released more often than it was held.');
      if (--region.holds > 0) continue;
      this.#recipes.delete(region);
      this.arena.release(region);
    }
  }

  /** Says how to make a tensor again: below recompute level `none`, saving it saves the recipe. Outputs of `make` are held once. */
  recipe(tensor: Tensor, make: () => Tensor): void {
    if (this.#saving && this.#recompute !== 'none' && tensor.region) {
      this.#recipes.set(tensor.region, { make, readers: 0, made: undefined });
    }
  }

  /** Keeps a tensor for the backward pass, which takes saved tensors back in reverse order. Nothing happens outside training. */
  save(tensor: Tensor): void {
    if (!this.#saving) return;
    const recipe = tensor.region && this.#recipes.get(tensor.region);
    if (recipe) {
      recipe.readers++;
      this.#saved.push({ recipe });
    } else {
      this.#saved.push({ tensor: this.hold(tensor) });
    }
  }

  /** The tensor saved last, made again where a recipe was saved. The caller now holds it and releases it. */
  restore(): Tensor {
    const saved = this.#saved.pop();
    if (!saved) fail('step.restore', 'nothing is saved.', 'run forward with step({ training: true }) before backward, and each layer once');
    if ('tensor' in saved) return saved.tensor;
    const { recipe } = saved;
    recipe.made ??= recipe.make();
    // The recipe's own hold passes to its last reader.
    return --recipe.readers === 0 ? recipe.made : this.hold(recipe.made);
  }

  /** Number of saved tensors; a finished backward pass leaves none. */
  get savedCount(): number {
    return this.#saved.length;
  }

  /** Runs `forward` without saving: the block will be run again by `again`. */
  unsaved<R>(forward: () => R): R {
    return this.#with(false, this.#recompute, forward);
  }

  /** Runs a block's forward a second time, in the backward pass, keeping everything. */
  again<R>(forward: () => R): R {
    return this.#with(this.training, 'none', forward);
  }

  /** Ends the step: its tensors are gone, its memory goes back to the device's arena. */
  [Symbol.dispose](): void {
    this.#saved = [];
    this.#recipes.clear();
    this.#end?.();
    this.#end = undefined;
  }

  #with<R>(saving: boolean, recompute: Recompute, run: () => R): R {
    const before = [this.#saving, this.#recompute] as const;
    [this.#saving, this.#recompute] = [saving, recompute];
    try {
      return run();
    } finally {
      [this.#saving, this.#recompute] = before;
    }
  }

  #uploadCache(cache: PagedCache): CacheTensors {
    const sequences = cache.lengths.length;
    return {
      layers: cache.layers,
      slots: this.integers(cache.slots),
      blockTable: this.integers(cache.blockTable, [sequences, cache.blocksPerSequence]),
      queryStarts: this.integers(cache.queryStarts),
      lengths: this.integers(cache.lengths),
    };
  }
}

function defaultPositions(options: StepOptions, segments: ArrayLike<number>): Int32Array {
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

function largestPosition(positions: ArrayLike<number>): number {
  let largest = 0;
  for (let t = 0; t < positions.length; t++) {
    const position = positions[t];
    if (!(Number.isInteger(position) && position >= 0)) fail('device.step', `position ${position} of row ${t} is not a position.`);
    if (position > largest) largest = position;
  }
  return largest;
}

function checkStep(device: Device, options: StepOptions): void {
  const { rows, dtype = 'f32', cache } = options;
  checkOptions('device.step', options, OPTION_NAMES);
  if (!Number.isInteger(rows) || rows < 1) fail('device.step', `rows is ${rows}.`, 'a step has at least one token');
  if (!device.computeDTypes.has(dtype)) {
    fail('device.step', `${device.name} does not compute in ${dtype}.`, `it does in ${[...device.computeDTypes].join(', ')}`);
  }
  if (options.positions && options.positions.length !== rows) {
    fail('device.step', `${options.positions.length} positions for ${rows} rows.`);
  }
  if (cache && options.segments) fail('device.step', 'both segments and a cache were given.', 'the cache has queryStarts instead');
  if (cache && options.training) fail('device.step', 'a training step was given a cache.', 'train without one');
  checkStarts(cache ? 'cache.queryStarts' : 'segments', cache ? cache.queryStarts : (options.segments ?? [0, rows]), rows);
  if (cache) checkCache(cache, rows);
}

function checkStarts(name: string, starts: ArrayLike<number>, rows: number): void {
  const last = starts.length - 1;
  let ascending = last >= 1 && starts[0] === 0 && starts[last] === rows;
  for (let i = 0; i < last; i++) ascending &&= Number.isInteger(starts[i]) && starts[i] < starts[i + 1];
  if (!ascending) {
    const shown = Array.from({ length: Math.min(starts.length, 8) }, (_, i) => starts[i]).join(', ');
    fail('device.step', `${name} [${shown}${starts.length > 8 ? ', …' : ''}] do not ascend from 0 to ${rows}.`);
  }
}

function checkCache(cache: PagedCache, rows: number): void {
  const sequences = cache.lengths.length;
  const first = cache.layers[0];
  if (!first) fail('device.step', 'the cache has no layers.');
  const [blocks = 0, blockSize = 0] = first.keys.shape;
  if (cache.slots.length !== rows) fail('device.step', `${cache.slots.length} cache slots for ${rows} rows.`);
  if (cache.queryStarts.length !== sequences + 1) {
    fail('device.step', `${cache.queryStarts.length} queryStarts for ${sequences} lengths.`, 'there is one more start than sequences');
  }
  if (cache.blockTable.length !== sequences * cache.blocksPerSequence) {
    fail('device.step', `a block table of ${cache.blockTable.length} for ${sequences} sequences of ${cache.blocksPerSequence} blocks.`);
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
      fail('device.step', `sequence ${s} has ${queries} new rows and length ${length}, with ${cache.blocksPerSequence} blocks of ${blockSize}.`);
    }
    for (let b = 0; b * blockSize < length; b++) {
      const block = cache.blockTable[s * cache.blocksPerSequence + b];
      if (!(block >= 0 && block < blocks)) fail('device.step', `block ${block} of sequence ${s} is outside ${describe(first.keys)}.`);
    }
  }
}
