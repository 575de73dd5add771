import type { Device, StorageId } from './device.ts';
import { accumulatorDType, type ComputeDType } from './dtype.ts';
import { checkOptions, fail } from './errors.ts';
import { FlatMemory, type Stretch } from './flat-memory.ts';
import { BorrowedGradients } from './gradients/borrowed.ts';
import { FlatGradients } from './gradients/flat.ts';
import type { GradientStore } from './gradients/store.ts';
import { FlatLayout } from './flat-layout.ts';
import { Parameter, type ParameterOptions } from './parameter.ts';
import { writeNormals } from './parts.ts';
import { hashName } from './random.ts';
import { MASTERS, StateSpace } from './state-space.ts';
import type { Shape, Tensor } from './tensor.ts';

export interface AllocateOptions {
  /** Default f32. */
  readonly dtype?: ComputeDType;
  /**
   * `true`: a flat space of their own. `borrowed`: each takes memory of a step's arena when its
   * backward pass comes to it, in the place of activations that are done, and keeps it until
   * `clearGradients`; then a step never holds all of both.
   */
  readonly gradients?: boolean | 'borrowed';
  /**
   * Names of what an optimizer keeps (`AdamW.states`). With it, values in halves get masters in f32
   * beside them. An optimizer adds what is missing; masters that are made later than the values
   * begin as these.
   */
  readonly states?: readonly string[];
}

/**
 * All parameters of a model. Those that are trained lie in one flat space, decayed ones first:
 * values, gradients, masters and every state of an optimizer have the same offsets, so that the
 * optimizer, an all-reduce and a checkpoint are linear passes. Frozen ones lie apart.
 */
export class ParameterSpace {
  readonly device: Device;
  #parameters: Parameter[] = [];
  #byName = new Map<string, Parameter>();
  #version = 0;
  #layout: FlatLayout | undefined;
  #values: FlatMemory | undefined;
  /** Of parameters that are frozen and had no value of their own. */
  #frozen: FlatMemory | undefined;
  #gradients: GradientStore | undefined;
  #states: StateSpace | undefined;

  constructor(device: Device) {
    this.device = device;
  }

  /** Declares a parameter; memory comes with `allocate`. */
  add(name: string, shape: Shape, options: ParameterOptions): Parameter {
    if (this.#layout) fail('parameters.add', `"${name}" comes after allocate().`);
    if (this.#byName.has(name)) fail('parameters.add', `"${name}" exists already.`);
    const parameter = new Parameter(name, shape, options, () => this.#version++);
    this.#parameters.push(parameter);
    this.#byName.set(name, parameter);
    return parameter;
  }

  get(name: string): Parameter | undefined {
    return this.#byName.get(name);
  }

  /** In the order in which they were declared. */
  get parameters(): readonly Parameter[] {
    return this.#parameters;
  }

  /** Those with a place in the flat space, in the order in which they were declared. */
  get placed(): readonly Parameter[] {
    return this.#parameters.filter((parameter) => this.#layout?.has(parameter));
  }

  /** Another one whenever the tensor of a parameter was replaced; what stands in the tensors does not count. */
  get version(): number {
    return this.#version;
  }

  /** Number of parameters, without padding. */
  get count(): number {
    return this.#parameters.reduce((sum, parameter) => sum + parameter.size, 0);
  }

  /** Elements of the flat space, padding included; 0 before `allocate`. */
  get size(): number {
    return this.#layout?.size ?? 0;
  }

  /** The first so many elements of the space have weight decay. */
  get decayedSize(): number {
    return this.#layout?.decayedSize ?? 0;
  }

  /** What one storage each holds of the space: one stretch where the device has no limit. No parameter lies in two. */
  get segments(): readonly Stretch[] {
    return this.#layout?.segments ?? [];
  }

  /** First element of a parameter in the flat space. */
  offsetOf(parameter: Parameter): number {
    return (
      this.#layout?.offsetOf(parameter) ??
      fail('parameters.offsetOf', `${parameter.name} has no place in the flat space.`)
    );
  }

  get valueMemory(): FlatMemory {
    return this.#values ?? fail('parameters.values', 'no memory yet.', 'call allocate()');
  }

  /** What an optimizer changes: f32 beside values in halves, which are these rounded; else the values themselves. */
  get masterMemory(): FlatMemory {
    return this.hasMasters ? this.states.get(MASTERS) : this.valueMemory;
  }

  /** All values as one tensor, where one storage holds them; `valueMemory` in any case. */
  get values(): Tensor {
    return this.valueMemory.whole;
  }

  get masters(): Tensor {
    return this.masterMemory.whole;
  }

  /** Whether values are roundings of masters. */
  get hasMasters(): boolean {
    return this.#states?.has(MASTERS) ?? false;
  }

  /** A parameter as a checkpoint keeps it: its part of the masters, else its value. */
  master(parameter: Parameter): Tensor {
    return this.hasMasters && this.#layout?.has(parameter)
      ? this.view(this.masterMemory, parameter)
      : parameter.value;
  }

  /** Makes masters where values are halves; they begin as the values. */
  keepMasters(): void {
    const { dtype } = this.valueMemory;
    if (this.hasMasters || dtype === accumulatorDType(dtype)) return;
    const masters = this.states.add(MASTERS);
    masters.tensors.forEach((tensor, i) => this.device.kernels.cast(tensor, this.valueMemory.tensors[i]));
  }

  /** Values from masters that were written, to nearest even; nothing where they are the same. */
  roundMasters(): void {
    if (!this.hasMasters) return;
    this.valueMemory.tensors.forEach((tensor, i) =>
      this.device.kernels.cast(tensor, this.masterMemory.tensors[i]),
    );
  }

  /** What optimizers keep, by name. */
  get states(): StateSpace {
    return this.#states ?? fail('parameters.states', 'no memory yet.', 'call allocate()');
  }

  /** Names of what is there beside the values, masters left out: what a checkpoint keeps of an optimizer. */
  get stateNames(): readonly string[] {
    return this.states.names.filter((name) => name !== MASTERS);
  }

  /** Gradients in one flat space, whole; undefined where each has memory of its own. */
  get gradientMemory(): FlatMemory | undefined {
    const flat = this.#gradients?.flat;
    if (flat)
      for (const parameter of this.#parameters)
        if (parameter.shared && parameter.trainable) void parameter.grad;
    return flat;
  }

  get gradients(): Tensor {
    return (
      this.gradientMemory ??
      fail('parameters.gradients', 'there is no flat space of them.', 'call allocate({ gradients: true })')
    ).whole;
  }

  /** Lays the space out and takes zeroed memory for it. */
  allocate(options: AllocateOptions = {}): void {
    checkOptions('parameters.allocate', options, ['dtype', 'gradients', 'states']);
    if (this.#layout) fail('parameters.allocate', 'called twice.');
    if (this.#parameters.length === 0) fail('parameters.allocate', 'no parameters were added.');
    const { dtype = 'f32', gradients = false, states } = options;
    const wide = accumulatorDType(dtype);
    const bound = this.#parameters.find((parameter) => parameter.bound && !parameter.frozen);
    if (bound)
      fail(
        'parameters.allocate',
        `${bound.name} has a value already.`,
        'freeze it, or let allocate() make its memory',
      );
    const limits = { ...this.device.abilities, dtypes: [dtype, wide] };
    const layout = new FlatLayout(
      this.#parameters.filter(({ frozen }) => !frozen),
      limits,
    );
    this.#layout = layout;
    this.#values = this.#memory(dtype, layout);
    this.#states = new StateSpace(() => this.#memory(wide, layout));
    this.#bind(layout, this.#values);
    const apart = new FlatLayout(
      this.#parameters.filter(({ frozen, bound }) => frozen && !bound),
      limits,
    );
    if (apart.size > 0) {
      this.#frozen = this.#memory(dtype, apart);
      this.#bind(apart, this.#frozen);
    }
    this.#gradients = this.#makeGradients(gradients, layout, wide);
    for (const parameter of layout.parameters) parameter.attach(this.#gradients);
    if (!states) return;
    this.keepMasters();
    for (const name of states) this.#states.add(name);
  }

  /** A parameter's part of any flat memory with this space's layout. */
  view(flat: FlatMemory, parameter: Parameter): Tensor {
    return flat.view(this.offsetOf(parameter), parameter.shape);
  }

  /** Whether a storage is one of the values' here. */
  holds(storage: StorageId): boolean {
    return (this.#values?.holds(storage) ?? false) || (this.#frozen?.holds(storage) ?? false);
  }

  /**
   * Sets every parameter from (seed, its name, the element's index in the whole) alone: neither
   * order, padding, device nor the cut into parts matters. Frozen ones that were given a value keep
   * it.
   */
  initialize(seed: number): void {
    for (const parameter of this.#parameters) {
      const { init, name } = parameter;
      const master = this.master(parameter);
      if (parameter.frozen && !this.holds(master.storage)) continue;
      if ('constant' in init) this.device.kernels.fill(master, init.constant);
      else writeNormals(master, { seed, stream: hashName(name), std: init.normal }, parameter.part);
    }
    this.roundMasters();
  }

  /** Gradients back to zero, for a new optimizer step. */
  clearGradients(): void {
    for (const parameter of this.#parameters) parameter.dropLater();
    if (!this.#gradients)
      fail('parameters.clearGradients', 'there are no gradients.', 'call allocate({ gradients: true })');
    this.#gradients.clear();
  }

  /** Gives all memory back. */
  free(): void {
    for (const parameter of this.#parameters) parameter.attach(undefined);
    for (const memory of [this.#gradients, this.#states, this.#values, this.#frozen]) memory?.free();
    this.#values = this.#frozen = this.#gradients = this.#states = undefined;
  }

  #memory(dtype: ComputeDType, layout: FlatLayout): FlatMemory {
    return new FlatMemory(this.device, dtype, layout.segments);
  }

  #bind(layout: FlatLayout, memory: FlatMemory): void {
    for (const parameter of layout.parameters)
      parameter.value = memory.view(layout.offsetOf(parameter)!, parameter.shape);
  }

  #makeGradients(
    kind: boolean | 'borrowed',
    layout: FlatLayout,
    wide: ComputeDType,
  ): GradientStore | undefined {
    if (kind === 'borrowed') return new BorrowedGradients();
    if (!kind) return undefined;
    const flat = this.#memory(wide, layout);
    const views = layout.parameters.map((parameter) => [parameter, this.view(flat, parameter)] as const);
    return new FlatGradients(flat, new Map(views));
  }
}
