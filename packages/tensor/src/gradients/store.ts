import type { Parameter } from '../parameter.ts';
import type { FlatMemory } from '../flat-memory.ts';
import type { Tensor } from '../tensor.ts';

/** Memory of a step's arena that outlives the step, until it is given back. */
export interface Loan {
  readonly grad: Tensor;
  readonly giveBack: () => void;
}

/** Takes zeroed memory for the gradient of a parameter. */
export type Lend = (parameter: Parameter) => Loan;

/** Where the gradients of a space are added up. */
export interface GradientStore {
  /** All of them in one flat space, where that is so. */
  readonly flat: FlatMemory | undefined;
  /** The sum so far; undefined where there is no memory for it yet. */
  find(parameter: Parameter): Tensor | undefined;
  /** Where a pass adds to; takes memory of its step where there is none. */
  reach(parameter: Parameter, lend: Lend): Tensor;
  /** All sums are zero again. */
  clear(): void;
  /** Gives the memory back. */
  free(): void;
}
