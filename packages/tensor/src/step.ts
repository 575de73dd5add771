import type { Arena, Region } from './arena.ts';
import type { Device } from './device.ts';
import { boundsOf } from './integers.ts';
import type { Recordings } from './recordings.ts';
import { accumulatorDType, byteLength, type ComputeDType, type DType } from './dtype.ts';
import { fail } from './errors.ts';
import type { Loan } from './gradients/store.ts';
import type { Parameter } from './parameter.ts';
import { type CacheTensors, type RowContext, rowContext } from './row-context.ts';
import { checkStep, type Recompute, type StepOptions } from './step-options.ts';
import { checkShape, type Shape, sizeOf, Tensor } from './tensor.ts';

/** Each list begins at a line of its own, as tensors of an arena do: so many elements at least. */
const LEAST_INTEGERS = 64;

/** Memory that steps use one after another, and what they encoded over it. */
export interface Workspace {
  readonly arena: Arena;
  readonly recordings: Recordings;
}

/** A way to make a tensor again, shared by all who saved it. */
interface Recipe {
  readonly make: () => Tensor;
  readers: number;
  made: Tensor | undefined;
}

type Saved = { readonly tensor: Tensor } | { readonly recipe: Recipe };

/**
 * One pass through a model. Holds the arena that activations come from, what is known about the
 * rows (positions, segments or cache), and the stack of what the backward pass needs. Who makes a
 * tensor holds it once; `save` and `hold` hold it again; memory returns when the last holder
 * releases it, and at the latest when the step ends, so forgetting a release costs memory, not
 * truth.
 */
export class Step implements Disposable {
  readonly device: Device;
  readonly rows: number;
  readonly dtype: ComputeDType;
  readonly training: boolean;
  readonly context: RowContext;
  readonly arena: Arena;
  readonly #recordings: Recordings;
  #recompute: Recompute;
  #saving: boolean;
  #saved: Saved[] = [];
  #recipes = new Map<Region, Recipe>();
  /** Gives the arena back; gone once the step has ended. */
  #end: (() => void) | undefined;

  constructor(device: Device, workspace: Workspace, options: StepOptions, end: () => void) {
    this.device = device;
    this.arena = workspace.arena;
    this.#recordings = workspace.recordings;
    this.rows = options.rows;
    this.dtype = options.dtype ?? 'f32';
    this.training = options.training ?? false;
    this.#recompute = options.recompute ?? 'none';
    this.#saving = this.training;
    this.#end = end;
    checkStep(device, options);
    this.context = rowContext(options, (lists) => this.#integers(lists));
  }

  /** i32 [T] */
  get positions(): Tensor {
    return this.context.positions;
  }

  /** The largest of the positions, known without reading them back. */
  get maxPosition(): number {
    return this.context.maxPosition;
  }

  /** i32 [S + 1]; undefined when a cache is used. */
  get segments(): Tensor | undefined {
    return this.context.segments;
  }

  get cache(): CacheTensors | undefined {
    return this.context.cache;
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

  /**
   * Encodes what `encode` does, and keeps the commands; a later step like this one takes them as
   * they are, a copy instead of a call for every kernel. Like this one is a step of the same dtype,
   * with a context of the same shapes, an equal `key` and the same memory free in its arena, as
   * long as the device gives no memory back. `encode` must do the same for the same key, write
   * nothing from the host and release only what it made. Training steps keep nothing.
   */
  repeat(key: readonly unknown[], encode: () => Tensor): Tensor {
    if (this.training) return encode();
    return this.#recordings.repeat(this.arena, [this.dtype, ...this.context.key, ...key], encode);
  }

  /** Small host arrays of indices, as an i32 tensor of the arena. */
  integers(values: ArrayLike<number>): Tensor {
    return this.#integers([values])[0]!;
  }

  /**
   * Where a trainable parameter's gradient is added up. Where gradients are borrowed and this one
   * has no memory yet, it gets zeroed memory of this step's arena, which outlives the step.
   */
  gradient(parameter: Parameter): Tensor {
    return parameter.accumulator((each) => this.#lend(each));
  }

  /**
   * As adding to `gradient`, for a parameter that another layer adds to as well: `add`, which reads
   * these tensors, has its turn when someone asks for the gradient. So all that is added at once
   * comes before all that is added later, in one pass or in many, and the sum has the same bits.
   * The tensors are kept until then, beyond the end of the step.
   */
  addLater(parameter: Parameter, add: (grad: Tensor) => void, reads: readonly Tensor[]): void {
    this.gradient(parameter); // its memory
    const giveBack = reads.map((tensor) => this.#keep(tensor));
    parameter.addLater({ add, drop: () => giveBack.forEach((each) => each()) });
  }

  /** One holder more; returns the tensor. */
  hold(tensor: Tensor): Tensor {
    if (tensor.region) tensor.region.holds++;
    return tensor;
  }

  /**
   * One holder less: no command encoded later reads what this holder held. Tensors outside the
   * arena are left alone.
   */
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

  /**
   * Says how to make a tensor again: below recompute level `none`, saving it saves the recipe.
   * Outputs of `make` are held once.
   */
  recipe(tensor: Tensor, make: () => Tensor): void {
    if (this.#saving && this.#recompute !== 'none' && tensor.region) {
      this.#recipes.set(tensor.region, { make, readers: 0, made: undefined });
    }
  }

  /**
   * Keeps a tensor for the backward pass, which takes saved tensors back in reverse order. Nothing
   * happens outside training.
   */
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
    if (!saved)
      fail(
        'step.restore',
        'nothing is saved.',
        'run forward with step({ training: true }) before backward, and each layer once',
      );
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

  #lend({ shape, size }: Parameter): Loan {
    const { arena, device } = this;
    const dtype = accumulatorDType(this.dtype);
    const region = arena.lend(byteLength(dtype, size));
    const { storage, offset } = region;
    const grad = new Tensor(device, dtype, shape, { storage, offset });
    device.kernels.fill(grad, 0);
    return { grad, giveBack: () => arena.release(region) };
  }

  /** Holds a tensor until the result is called, be it within the step or after its end. */
  #keep(tensor: Tensor): () => void {
    const { region } = tensor;
    if (!region) return () => {};
    this.hold(tensor);
    this.arena.keep(region);
    return () => {
      const last = this.arena.letGo(region);
      if (this.#end) this.release(tensor);
      else if (last) this.arena.release(region);
    };
  }

  /** Several lists in one write: for small models a write is no small part of a step. */
  #integers(lists: readonly ArrayLike<number>[]): Tensor[] {
    if (!this.#end) fail('step.integers', 'the step has ended.', 'its arena belongs to the next step now');
    const alignment = Math.max(LEAST_INTEGERS, this.device.abilities.offsetAlignment / 4);
    const starts: number[] = [];
    let end = 0;
    for (const { length } of lists) {
      starts.push(end);
      end += Math.ceil(Math.max(length, 1) / alignment) * alignment;
    }
    const region = this.arena.allocate(4 * end);
    region.holds = lists.length;
    const { integers, bytes } = this.arena.staging(end);
    lists.forEach((values, i) => integers.set(values, starts[i]));
    this.device.writeBytes(region.storage, region.offset, bytes);
    return lists.map((values, i) => {
      const place = { storage: region.storage, offset: region.offset + 4 * starts[i], region };
      const tensor = new Tensor(this.device, 'i32', [values.length], place);
      tensor.integers?.replaced(
        values.length,
        boundsOf(integers.subarray(starts[i], starts[i] + values.length)),
      );
      return tensor;
    });
  }
}
