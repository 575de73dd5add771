import { fail } from './errors.ts';
import { checkPart, type ParameterPart } from './parts.ts';
import { type Shape, sizeOf, type Tensor } from './tensor.ts';

/** How a parameter starts: constant, or N(0, std²) from the parameter's own random stream. */
export type Initializer = { readonly constant: number } | { readonly normal: number };

export interface ParameterOptions {
  readonly init: Initializer;
  /** Weight decay applies: matrices and embeddings yes, norm gains no. */
  readonly decay: boolean;
  /** Where the parameter is a part of a larger one; default the whole. */
  readonly part?: ParameterPart | undefined;
}

/** What is added to a gradient when someone asks for it. */
export interface LaterGradient {
  readonly add: (grad: Tensor) => void;
  /** Gives back what was kept for it. */
  readonly drop: () => void;
}

/** A named piece of the flat space. `value` may be replaced by a packed or quantised tensor of the same shape for inference. */
export class Parameter {
  readonly name: string;
  readonly shape: Shape;
  readonly init: Initializer;
  readonly decay: boolean;
  /** Which part of which whole this is; undefined for a whole. */
  readonly part: ParameterPart | undefined;
  #shared = false;
  #later: LaterGradient[] = [];
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
    this.part = options.part;
    if (options.part) checkPart(name, shape, options.part);
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

  /** Whether several layers of a model use it (tied embeddings), so that their gradients meet in one sum. */
  get shared(): boolean {
    return this.#shared;
  }

  /** Said by a layer that takes the parameter of another. */
  share(): void {
    this.#shared = true;
  }

  /** Accumulated gradient, f32 (f64 beside f64), whole: what was to be added later is added now. */
  get grad(): Tensor {
    const grad = this.accumulator;
    for (const { add, drop } of this.#later.splice(0)) {
      add(grad);
      drop();
    }
    return grad;
  }

  /** The gradient without what comes later. */
  get accumulator(): Tensor {
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

  addLater(later: LaterGradient): void {
    this.#later.push(later);
  }

  /** What was to be added later is forgotten. */
  dropLater(): void {
    for (const { drop } of this.#later.splice(0)) drop();
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
    this.dropLater();
    if (!this.#giveBack) return;
    this.#giveBack();
    this.#giveBack = this.#grad = undefined;
  }
}
