import type { Device } from './device.ts';
import { accumulatorDType, byteLength, type ComputeDType } from './dtype.ts';
import { fail } from './errors.ts';
import { Parameter, type ParameterOptions } from './parameter.ts';
import { writeNormals } from './parts.ts';
import { hashName } from './random.ts';
import { type Shape, Tensor } from './tensor.ts';

export interface AllocateOptions {
  /** Default f32. */
  readonly dtype?: ComputeDType;
  /**
   * `true`: a flat space of their own. `borrowed`: each takes memory of a step's arena when its backward pass comes to it, in the place
   * of activations that are done, and keeps it until `clearGradients`; then a step never holds all of both.
   */
  readonly gradients?: boolean | 'borrowed';
  /** What an optimizer keeps: both moments of Adam and, where values are halves, masters in f32. */
  readonly moments?: boolean;
}

/** Every parameter starts at a multiple of this many elements, so that vectors and pages line up in every dtype. */
const ELEMENT_ALIGNMENT = 64;

/**
 * All parameters of a model in one flat space, decayed ones first. Values, gradients, masters and both moments have the same offsets, so
 * the optimizer, an all-reduce and a checkpoint are linear passes.
 */
export class ParameterSpace {
  readonly device: Device;
  #parameters: Parameter[] = [];
  #byName = new Map<string, Parameter>();
  #offsets = new Map<Parameter, number>();
  #size = 0;
  #decayedSize = 0;
  #version = 0;
  #values: Tensor | undefined;
  #gradients: Tensor | undefined;
  /** f32 beside values in halves that an optimizer changes. */
  #masters: Tensor | undefined;
  #moments: readonly [Tensor, Tensor] | undefined;

  constructor(device: Device) {
    this.device = device;
  }

  /** Declares a parameter; memory comes with `allocate`. */
  add(name: string, shape: Shape, options: ParameterOptions): Parameter {
    if (this.#size > 0) fail('parameters.add', `"${name}" comes after allocate().`);
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

  /** Another one whenever the tensor of a parameter was replaced; what stands in the tensors does not count. */
  get version(): number {
    return this.#version;
  }

  /** Number of parameters, without padding. */
  get count(): number {
    return this.#parameters.reduce((sum, parameter) => sum + parameter.size, 0);
  }

  /** Elements of the flat space, padding included. */
  get size(): number {
    return this.#size;
  }

  /** The first so many elements of the space have weight decay. */
  get decayedSize(): number {
    return this.#decayedSize;
  }

  /** First element of a parameter in the flat space. */
  offsetOf(parameter: Parameter): number {
    return (
      this.#offsets.get(parameter) ?? fail('parameters.offsetOf', `${parameter.name} is not allocated here.`)
    );
  }

  get values(): Tensor {
    return this.#values ?? fail('parameters.values', 'no memory yet.', 'call allocate()');
  }

  /** What an optimizer changes: f32 beside values in halves, which are these rounded; else the values themselves. */
  get masters(): Tensor {
    return this.#masters ?? this.values;
  }

  /** Whether values are roundings of masters. */
  get hasMasters(): boolean {
    return this.#masters !== undefined;
  }

  /** A parameter as a checkpoint keeps it: its part of the masters, else its value. */
  master(parameter: Parameter): Tensor {
    return this.#masters ? this.view(this.#masters, parameter) : parameter.value;
  }

  /** Values from masters that were written, to nearest even; nothing where they are the same. */
  roundMasters(): void {
    if (this.#masters) this.device.kernels.cast(this.values, this.#masters);
  }

  get gradients(): Tensor {
    if (this.#gradients)
      for (const parameter of this.#parameters)
        if (parameter.shared && parameter.trainable) void parameter.grad;
    return this.#accumulators;
  }

  get #accumulators(): Tensor {
    return (
      this.#gradients ??
      fail('parameters.gradients', 'there is no flat space of them.', 'call allocate({ gradients: true })')
    );
  }

  /** Whether gradients lie in one flat space, and are not borrowed. */
  get hasFlatGradients(): boolean {
    return this.#gradients !== undefined;
  }

  get firstMoments(): Tensor {
    return (this.#moments ??
      fail('parameters.firstMoments', 'not allocated.', 'call allocate({ moments: true })'))[0];
  }

  get secondMoments(): Tensor {
    return (this.#moments ??
      fail('parameters.secondMoments', 'not allocated.', 'call allocate({ moments: true })'))[1];
  }

  /** Lays the space out and takes zeroed memory for it. */
  allocate(options: AllocateOptions = {}): void {
    if (this.#size > 0) fail('parameters.allocate', 'called twice.');
    if (this.#parameters.length === 0) fail('parameters.allocate', 'no parameters were added.');
    const decayed = this.#parameters.filter((parameter) => parameter.decay);
    for (const parameter of decayed) this.#place(parameter);
    this.#decayedSize = this.#size;
    for (const parameter of this.#parameters) if (!parameter.decay) this.#place(parameter);

    const dtype = options.dtype ?? 'f32';
    const wide = accumulatorDType(dtype);
    this.#values = this.device.empty([this.#size], dtype);
    for (const parameter of this.#parameters) parameter.value = this.view(this.#values, parameter);
    if (options.gradients === 'borrowed') for (const parameter of this.#parameters) parameter.awaitGrad();
    else if (options.gradients) {
      this.#gradients = this.device.empty([this.#size], wide);
      for (const parameter of this.#parameters) parameter.grad = this.view(this.#gradients, parameter);
    }
    if (!options.moments) return;
    this.#moments = [this.device.empty([this.#size], wide), this.device.empty([this.#size], wide)];
    if (dtype !== wide) this.#masters = this.device.empty([this.#size], wide);
  }

  /** A parameter's part of any flat tensor with this space's layout. */
  view(flat: Tensor, parameter: Parameter): Tensor {
    return new Tensor(flat.device, flat.dtype, parameter.shape, {
      storage: flat.storage,
      offset: flat.offset + byteLength(flat.dtype, this.offsetOf(parameter)),
    });
  }

  /**
   * Sets every parameter from (seed, its name, the element's index in the whole) alone: neither order, padding, device nor the cut into
   * parts matters.
   */
  initialize(seed: number): void {
    for (const parameter of this.#parameters) {
      const { init, name } = parameter;
      const master = this.master(parameter);
      if ('constant' in init) this.device.kernels.fill(master, init.constant);
      else writeNormals(master, { seed, stream: hashName(name), std: init.normal }, parameter.part);
    }
    this.roundMasters();
  }

  /** Gradients back to zero, for a new optimizer step. */
  clearGradients(): void {
    for (const parameter of this.#parameters) parameter.giveBackGrad();
    if (this.hasFlatGradients || !this.#parameters.some(({ trainable }) => trainable))
      this.device.kernels.fill(this.#accumulators, 0);
  }

  /** Gives all memory back. */
  free(): void {
    for (const parameter of this.#parameters) parameter.giveBackGrad();
    for (const flat of [this.#values, this.#gradients, this.#masters, ...(this.#moments ?? [])])
      if (flat) this.device.free(flat.storage);
    this.#values = this.#gradients = this.#masters = this.#moments = undefined;
  }

  #place(parameter: Parameter): void {
    this.#offsets.set(parameter, this.#size);
    this.#size += Math.ceil(parameter.size / ELEMENT_ALIGNMENT) * ELEMENT_ALIGNMENT;
  }
}
