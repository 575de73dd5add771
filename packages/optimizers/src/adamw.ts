import { type AdamWSettings, checkOptions, fail, type ParameterSpace, type Stretch } from '@cria/tensor';
import type { Optimizer, OptimizerCounters, Update } from './optimizer.ts';
import { trainableRanges } from './ranges.ts';

export interface AdamWOptions {
  /** β₁, decay of the first moment; default 0.9. */
  readonly beta1?: number;
  /** β₂, decay of the second moment; default 0.95. */
  readonly beta2?: number;
  /**
   * ε beside √v̂. Default 1e-8, as in Kingma & Ba 2015 and in PyTorch: the LLaMA paper names none.
   * Llama 2 says 1e-5; that is as large as a typical √v̂ of a clipped gradient, so it slows all but
   * the strongest gradients down.
   */
  readonly epsilon?: number;
  /** Decoupled decay of matrices and embeddings, never of norm gains; default 0.1. */
  readonly weightDecay?: number;
}

/**
 * AdamW (Loshchilov & Hutter 2019) with the paper's settings (section 2.3). Works on the flat space
 * in two linear passes, decayed parameters and the others, or parameter by parameter where
 * gradients are borrowed; those without gradients are passed over.
 */
export class AdamW implements Optimizer {
  /** First and second moments, by the names that PyTorch gives them. */
  static readonly states = ['exp_avg', 'exp_avg_sq'] as const;
  readonly states = AdamW.states;
  readonly parameters: ParameterSpace;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  #updates = 0;

  /** The space must have its memory, with gradients. Values in halves get masters in f32, which are what is updated. */
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
    parameters.keepMasters();
    for (const state of AdamW.states) parameters.states.add(state);
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

  step(update: Update, within?: readonly Stretch[]): void {
    checkOptions('adamw.step', update, ['learningRate', 'gradientScale']);
    const { learningRate, gradientScale = 1 } = update;
    if (!(learningRate >= 0 && Number.isFinite(learningRate)))
      fail('adamw.step', `learningRate is ${learningRate}.`, 'give 0 or more');
    if (!Number.isFinite(gradientScale)) {
      fail('adamw.step', `gradientScale is ${gradientScale}.`, 'look at the norm before an update');
    }
    const ranges = trainableRanges(this.parameters, within);
    this.#updates++;
    const { beta1, beta2, epsilon, parameters } = this;
    const { valueMemory, masterMemory, hasMasters, states } = parameters;
    const [first, second] = [states.get('exp_avg'), states.get('exp_avg_sq')];
    for (const { begin, end, decay, gradient } of ranges) {
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
      parameters.device.kernels.adamw(
        masterMemory.slice(begin, end),
        gradient,
        first.slice(begin, end),
        second.slice(begin, end),
        settings,
        hasMasters ? valueMemory.slice(begin, end) : undefined,
      );
    }
  }

  get counters(): OptimizerCounters {
    return { updates: this.#updates };
  }

  set counters({ updates }: OptimizerCounters) {
    if (!Number.isSafeInteger(updates) || updates < 0)
      fail('adamw.counters', `updates is ${updates}.`, 'give what `counters` gave');
    this.#updates = updates;
  }
}
