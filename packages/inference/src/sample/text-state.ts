import type { Counts } from './counts.ts';
import type { History } from './stage.ts';

/**
 * What samplers keep of one text from token to token. Everything in it follows from the request and
 * the ids so far.
 */
export class TextState {
  readonly counts: Counts | undefined;
  /** Mirostat's bound on surprise, before each generated token. */
  #surprise: number[] = [];

  constructor(counts: Counts | undefined) {
    this.counts = counts;
  }

  follow({ ids, promptLength }: History): void {
    this.counts?.follow(ids, promptLength);
  }

  /** The bound at a place of the generated text; `first` at its beginning. */
  surpriseAt(generated: number, first: number): number {
    return generated === 0 ? first : (this.#surprise[generated] ?? first);
  }

  setSurprise(generated: number, bound: number): void {
    this.#surprise[generated] = bound;
  }
}
