import type { TokenLogProbability } from './log-probabilities.ts';

/** Counts of tokens, so far. */
export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Tokens of the prompt that were found in the cache. */
  readonly cachedTokens: number;
}

/** Why ids end. */
export type IdFinish =
  /** The last id is one that ends texts. */
  | 'stop'
  /** The constraint is complete. */
  | 'complete'
  /** `maxTokens`, or the end of the context. */
  | 'length';

/** What one step brought of one text. */
export interface IdChunk {
  readonly ids: readonly number[];
  /** One for each id, where they were asked for. */
  readonly logProbabilities?: readonly TokenLogProbability[];
  /** Of the next ids of the prompt, where they were asked for. */
  readonly promptLogProbabilities?: readonly TokenLogProbability[];
  /** In the last chunk only. */
  readonly finishReason?: IdFinish;
  readonly usage: Usage;
}

/** Who hears what comes of some work. Called in the step, so it must not wait; what it throws ends its own work. */
export interface Reader<Result> {
  take(result: Result): void;
  /** It ends without being complete. Not called after its end, nor after `cancel`. */
  fail(error: unknown): void;
}

/** What comes of an embedding. */
export interface Embedding {
  /** [D] */
  readonly vector: Float32Array;
  readonly usage: Usage;
}
