import type { ParameterSpace, Stretch } from '@cria/tensor';

/** One update of the weights. */
export interface Update {
  readonly learningRate: number;
  /** Factor on every gradient: clipping, and division by the number of tokens; default 1. */
  readonly gradientScale?: number;
}

/** What a checkpoint keeps of an optimizer beside its states, which lie in the parameter space. */
export interface OptimizerCounters {
  readonly updates: number;
}

/**
 * Turns gradients into new weights. What it remembers of every element are states of the parameter
 * space, by name, so that checkpoints and ranks move them without knowing what they mean.
 */
export interface Optimizer {
  readonly parameters: ParameterSpace;
  /** Names of its states. */
  readonly states: readonly string[];
  counters: OptimizerCounters;
  /** Updates made so far. */
  readonly updates: number;
  /**
   * One update of all trainable parameters from their gradients, which stay as they are; or of
   * those elements of the flat space that lie in `ranges`, where others see to the rest.
   */
  step(update: Update, ranges?: readonly Stretch[]): void;
}

/** Makes an optimizer for the parameters of a model. */
export type OptimizerFactory = (parameters: ParameterSpace) => Optimizer;
