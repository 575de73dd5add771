import type { Device } from './device.ts';
import { accumulatorDType, byteLength, type ComputeDType } from './dtype.ts';
import { fail } from './errors.ts';
import { hashName, normals } from './random.ts';
import { type Shape, sizeOf, Tensor } from './tensor.ts';

/** How a parameter starts: constant, or N(0, std²) from the parameter's own random stream. */
export type Initializer = { readonly constant: number } | { readonly normal: number };

export interface ParameterOptions {
  readonly init: Initializer;
  /** Weight decay applies: matrices and embeddings yes, norm gains no. */
  readonly decay: boolean;
}

/** A named piece of the flat space. `value` may be replaced by a packed or quantised tensor of the same shape for inference. */
export class Parameter {
  readonly name: string;
  readonly shape: Shape;
  readonly init: Initializer;
  readonly decay: boolean;
  #value: Tensor | undefined;
  #grad: Tensor | undefined;
  /** Where gradients are borrowed: gives this one's memory back. */
  #giveBack: (() => void) | undefined;
  #borrows = false;
  readonly #replaced: () => void;

  /** `replaced` is told whenever `value` is another tensor. */
  constructor(name: string, shape: Shape, options: ParameterOptions, replaced: () => void = () => {}) {
    this.#replaced = replaced;
    this.name = name;
    this.shape = shape;
    this.init = options.init;
    this.decay = options.decay;
  }

  get size(): number {
    return sizeOf(this.shape);
  }

  get value(): Tensor {
    return (
      this.#value ??
      fail(
        'parameter.value',
        `${this.name} has no memory yet.`,
        'call parameters.allocate() after building the model',
      )
    );
  }

  set value(tensor: Tensor) {
    if (tensor.shape.join() !== this.shape.join()) {
      fail(
        'parameter.value',
        `${this.name} has shape [${this.shape.join(', ')}], not [${tensor.shape.join(', ')}].`,
      );
    }
    this.#value = tensor;
    this.#replaced();
  }

  /** Accumulated gradient, f32 (f64 beside f64). */
  get grad(): Tensor {
    return (
      this.#grad ??
      fail(
        'parameter.grad',
        `${this.name} has no gradient${this.#borrows ? ' yet' : ''}.`,
        this.#borrows
          ? 'gradients are borrowed: run a backward pass first'
          : 'call parameters.allocate({ gradients: true })',
      )
    );
  }

  /** Undefined: no gradient from now on. */
  set grad(tensor: Tensor | undefined) {
    this.giveBackGrad();
    this.#borrows = false;
    this.#grad = tensor;
  }

  /** Whether backward passes should compute this gradient. */
  get trainable(): boolean {
    return this.#borrows || this.#grad !== undefined;
  }

  /** Trainable, and no step has lent memory for the gradient yet. */
  get awaitsGrad(): boolean {
    return this.#borrows && this.#grad === undefined;
  }

  /** From now on the gradient lies where steps lend memory for it: `step.gradient`. */
  awaitGrad(): void {
    this.grad = undefined;
    this.#borrows = true;
  }

  /** Takes zeroed memory for the gradient that `awaitsGrad`. */
  borrowGrad(grad: Tensor, giveBack: () => void): void {
    this.#grad = grad;
    this.#giveBack = giveBack;
  }

  /** A borrowed gradient is gone, and its memory is the lender's again; any other stays. */
  giveBackGrad(): void {
    if (!this.#giveBack) return;
    this.#giveBack();
    this.#giveBack = this.#grad = undefined;
  }
}

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

  /** Sets every parameter from (seed, its name, the element's index) alone: neither order, padding nor device matters. */
  initialize(seed: number): void {
    for (const parameter of this.#parameters) {
      const { init, name } = parameter;
      const master = this.master(parameter);
      if ('constant' in init) this.device.kernels.fill(master, init.constant);
      else writeNormals(master, { seed, stream: hashName(name), std: init.normal });
    }
    this.roundMasters();
  }

  /** Gradients back to zero, for a new optimizer step. */
  clearGradients(): void {
    for (const parameter of this.#parameters) parameter.giveBackGrad();
    if (this.hasFlatGradients || !this.#parameters.some(({ trainable }) => trainable))
      this.device.kernels.fill(this.gradients, 0);
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

/** Rows at a time, so that a large matrix never needs a large host array. */
function writeNormals(
  value: Tensor,
  draws: { readonly seed: number; readonly stream: number; readonly std: number },
): void {
  const { size } = value;
  const flat = value.reshape(size);
  const piece = new Float32Array(Math.min(size, 1 << 18));
  for (let start = 0; start < size; start += piece.length) {
    const end = Math.min(start + piece.length, size);
    const part = piece.subarray(0, end - start);
    normals({ ...draws, start }, part);
    flat.slice(start, end).write(part);
  }
}
