import { type AdamWSettings, checkOptions, fail, type ParameterSpace } from '@cria/tensor';
import { trainableRanges } from './ranges.ts';

export interface AdamWOptions {
  /** β₁, decay of the first moment; default 0.9. */
  readonly beta1?: number;
  /** β₂, decay of the second moment; default 0.95. */
  readonly beta2?: number;
  /**
   * ε beside √v̂. Default 1e-8, as in Kingma & Ba 2015 and in PyTorch: the LLaMA paper names none. Llama 2 says 1e-5; that is as large as a
   * typical √v̂ of a clipped gradient, so it slows all but the strongest gradients down.
   */
  readonly epsilon?: number;
  /** Decoupled decay of matrices and embeddings, never of norm gains; default 0.1. */
  readonly weightDecay?: number;
}

export interface UpdateOptions {
  readonly learningRate: number;
  /** Factor on every gradient: clipping, and division by the number of tokens; default 1. */
  readonly gradientScale?: number;
}

/** What a checkpoint keeps beside both moments, which lie in the parameter space. */
export interface AdamWState {
  readonly updates: number;
}

/**
 * AdamW (Loshchilov & Hutter 2019) with the paper's settings (section 2.3). Works on the flat space in two linear passes, decayed
 * parameters and the others, or parameter by parameter where gradients are borrowed; those without gradients are passed over.
 */
export class AdamW {
  readonly parameters: ParameterSpace;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  #updates = 0;

  /** The space must be allocated with gradients and moments; values in halves then have masters in f32, which are what is updated. */
  constructor(parameters: ParameterSpace, options: AdamWOptions = {}) {
    checkOptions('adamw', options, ['beta1', 'beta2', 'epsilon', 'weightDecay']);
    const { beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8, weightDecay = 0.1 } = options;
    for (const [name, beta] of Object.entries({ beta1, beta2 })) {
      if (!(beta >= 0 && beta < 1)) fail('adamw', `${name} is ${beta}.`, 'give a number from 0 to below 1');
    }
    if (!(epsilon > 0 && Number.isFinite(epsilon)))
      fail('adamw', `epsilon is ${epsilon}.`, 'give a small number above 0');
    if (!(weightDecay >= 0 && Number.isFinite(weightDecay)))
      fail('adamw', `weightDecay is ${weightDecay}.`, 'give 0 or more');
    const { dtype } = parameters.masters;
    if (dtype !== 'f32' && dtype !== 'f64')
      fail(
        'adamw',
        `the parameters are ${dtype} without masters.`,
        'small updates would be lost: allocate({ moments: true }) keeps masters in f32',
      );
    this.parameters = parameters;
    this.beta1 = beta1;
    this.beta2 = beta2;
    this.epsilon = epsilon;
    this.weightDecay = weightDecay;
  }

  /** Updates made so far: t of the bias corrections. */
  get updates(): number {
    return this.#updates;
  }

  /** One update of all trainable parameters from their gradients, which stay as they are. */
  step(options: UpdateOptions): void {
    checkOptions('adamw.step', options, ['learningRate', 'gradientScale']);
    const { learningRate, gradientScale = 1 } = options;
    if (!(learningRate >= 0 && Number.isFinite(learningRate)))
      fail('adamw.step', `learningRate is ${learningRate}.`, 'give 0 or more');
    if (!Number.isFinite(gradientScale)) {
      fail(
        'adamw.step',
        `gradientScale is ${gradientScale}.`,
        'look at the norm with checkFinite before an update',
      );
    }
    const ranges = trainableRanges(this.parameters);
    this.#updates++;
    const { beta1, beta2, epsilon } = this;
    const { values, masters, hasMasters, firstMoments, secondMoments } = this.parameters;
    for (const { start, end, decay, gradient } of ranges) {
      const weightDecay = decay ? this.weightDecay : 0;
      const settings: AdamWSettings = {
        learningRate,
        beta1,
        beta2,
        epsilon,
        weightDecay,
        gradientScale,
        step: this.#updates,
      };
      const master = masters.slice(start, end);
      const [first, second] = [firstMoments.slice(start, end), secondMoments.slice(start, end)];
      const rounded = hasMasters ? values.slice(start, end) : undefined;
      this.parameters.device.kernels.adamw(master, gradient, first, second, settings, rounded);
    }
  }

  get state(): AdamWState {
    return { updates: this.#updates };
  }

  set state({ updates }: AdamWState) {
    if (!Number.isSafeInteger(updates) || updates < 0)
      fail('adamw.state', `updates is ${updates}.`, 'give what `state` gave');
    this.#updates = updates;
  }
}
