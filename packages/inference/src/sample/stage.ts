import type { TextState } from './text-state.ts';

/** The ids before the token to be chosen. */
export interface History {
  readonly ids: ArrayLike<number>;
  readonly promptLength: number;
}

/** Where a token is chosen: what a sampler may look at besides the scores. */
export interface Place {
  readonly history: History;
  /** What is kept of the text from token to token. */
  readonly state: TextState;
  /** A number in [0, 1) of this place alone; every name has its own. */
  readonly uniform: (name: string) => number;
}

/**
 * What one sampler does to the scores of the next token, in place, float64 [V]. A removed token has
 * the score −Infinity; at least one always stays. Every stage takes scores of which none is NaN or
 * +Infinity and one at least is finite, and leaves such scores, whatever its numbers are within
 * their bounds: what would overflow stays the largest number there is.
 */
export type Stage = (scores: Float64Array, place: Place) => void;

/** The last of all: an id from the scores, which are used up. */
export type Choose = (scores: Float64Array, place: Place) => number;
