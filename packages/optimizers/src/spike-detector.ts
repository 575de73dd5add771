import { fail } from '@cria/tensor';

/**
 * Says how unusual a loss or a gradient norm is: its z-score among the last `window` values, itself included (llm.c's outlier
 * detector). A value far out, say z > 3 for norms, is a reason to skip the update.
 */
export class SpikeDetector {
  readonly window: number;
  /** Oldest first. */
  #values: number[] = [];

  constructor(options: { readonly window?: number } = {}) {
    const { window = 128 } = options;
    if (!(Number.isInteger(window) && window >= 2))
      fail('spikeDetector', `window is ${window}.`, 'give a whole number from 2 on');
    this.window = window;
  }

  /**
   * Takes a value in and gives its z-score: (value − mean) / deviation of the window, 0 where all are equal, undefined until the window
   * is full. A value that is not finite scores Infinity and is not kept.
   */
  observe(value: number): number | undefined {
    if (!Number.isFinite(value)) return Infinity;
    this.#values = [...this.#values.slice(1 - this.window), value];
    if (this.#values.length < this.window) return undefined;
    const mean = this.#values.reduce((sum, each) => sum + each, 0) / this.window;
    const variance = this.#values.reduce((sum, each) => sum + (each - mean) ** 2, 0) / this.window;
    return variance === 0 ? 0 : (value - mean) / Math.sqrt(variance);
  }

  /** The values in the window, for a checkpoint. */
  get state(): readonly number[] {
    return this.#values;
  }

  set state(values: readonly number[]) {
    if (values.length > this.window || !values.every(Number.isFinite)) {
      fail(
        'spikeDetector.state',
        `${values.length} values do not fit a window of ${this.window} finite ones.`,
      );
    }
    this.#values = [...values];
  }
}
