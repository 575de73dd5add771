import type { Parameter } from '../parameter.ts';
import type { Tensor } from '../tensor.ts';
import type { GradientStore, Lend, Loan } from './store.ts';

/** Gradients in memory that steps lend, in the place of activations that are done; it is theirs again after `clear`. */
export class BorrowedGradients implements GradientStore {
  readonly flat = undefined;
  readonly #loans = new Map<Parameter, Loan>();

  find(parameter: Parameter): Tensor | undefined {
    return this.#loans.get(parameter)?.grad;
  }

  reach(parameter: Parameter, lend: Lend): Tensor {
    const loan = this.#loans.get(parameter) ?? lend(parameter);
    this.#loans.set(parameter, loan);
    return loan.grad;
  }

  clear(): void {
    for (const { giveBack } of this.#loans.values()) giveBack();
    this.#loans.clear();
  }

  free(): void {
    this.clear();
  }
}
