import { fail } from './errors.ts';
import type { GradientStore, Lend } from './gradients/store.ts';
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

/**
 * A named weight of a model. Trained ones are pieces of a flat space; a frozen one may be any
 * tensor of the shape, quantised or packed, and so may all of a model that only infers.
 */
export class Parameter {
  readonly name: string;
  readonly shape: Shape;
  readonly init: Initializer;
  readonly decay: boolean;
  /** Which part of which whole this is; undefined for a whole. */
  readonly part: ParameterPart | undefined;
  #frozen = false;
  #shared = false;
  #later: LaterGradient[] = [];
  #value: Tensor | undefined;
  #gradients: GradientStore | undefined;
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

  /** Whether `value` is there. */
  get bound(): boolean {
    return this.#value !== undefined;
  }

  /** Whether backward passes compute its gradient: it is not frozen, and there is a place for gradients. */
  get trainable(): boolean {
    return !this.#frozen && this.#gradients !== undefined;
  }

  /**
   * Frozen: no gradient, no update. Said before `allocate`, it takes no place in the flat space and
   * in no state of an optimizer.
   */
  get frozen(): boolean {
    return this.#frozen;
  }

  set frozen(frozen: boolean) {
    this.#frozen = frozen;
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
    const grad = (this.trainable ? this.#gradients?.find(this) : undefined) ?? this.#refuseGrad();
    for (const { add, drop } of this.#later.splice(0)) {
      add(grad);
      drop();
    }
    return grad;
  }

  /**
   * Where a pass adds to the gradient. Where gradients are borrowed and this one has no memory yet,
   * `lend` gives some.
   */
  accumulator(lend: Lend): Tensor {
    return (this.trainable ? this.#gradients : undefined)?.reach(this, lend) ?? this.#refuseGrad();
  }

  /** Added to the gradient when someone asks for it, after all that passes have added at once. */
  addLater(later: LaterGradient): void {
    this.#later.push(later);
  }

  /** What was to be added later is forgotten. */
  dropLater(): void {
    for (const { drop } of this.#later.splice(0)) drop();
  }

  /** Where its gradient is added up from now on; undefined: nowhere. */
  attach(gradients: GradientStore | undefined): void {
    this.dropLater();
    this.#gradients = gradients;
  }

  #refuseGrad(): never {
    if (this.#frozen) fail('parameter.grad', `${this.name} is frozen.`);
    const store = this.#gradients;
    return fail(
      'parameter.grad',
      `${this.name} has no gradient${store ? ' yet' : ''}.`,
      store
        ? 'gradients are borrowed: run a backward pass first'
        : 'call parameters.allocate({ gradients: true })',
    );
  }
}
