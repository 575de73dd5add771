import type { EmbedRequest } from './id-request.ts';
import { Pooling } from './pooling.ts';
import type { Embedding, Reader } from './results.ts';
import { Sequence, type SequenceOptions } from './sequence.ts';

/** A prompt being embedded: hidden states instead of logits, and no more ids. */
export class EmbedText extends Sequence {
  readonly reader: Reader<Embedding>;
  readonly #normalize: boolean;
  readonly #pooling: Pooling;
  /** Rows that the pooling has had. */
  #pooled = 0;

  constructor(request: EmbedRequest, reader: Reader<Embedding>, width: number, options: SequenceOptions) {
    const { pool = 'mean', normalize = true } = request;
    // Only the last row says nothing of those before it.
    super(request.ids, { ...options, fresh: pool !== 'last' });
    this.reader = reader;
    this.#normalize = normalize;
    this.#pooling = new Pooling(pool, width);
  }

  /** All rows are wanted. */
  firstWanted(): number {
    return 0;
  }

  /** Hidden states of a step's rows, from position `from` on.     hidden: [T, D]   @returns whether it is complete */
  take(hidden: Float32Array, from: number): boolean {
    // After a preemption the rows come again from the beginning, or from what was found in the cache.
    if (from < this.#pooled) this.#pooling.restart();
    this.#pooling.add(hidden);
    this.#pooled = this.computed;
    if (this.pending > 0) return false;
    const cachedTokens = this.cached ?? 0;
    const usage = { promptTokens: this.promptLength, completionTokens: 0, cachedTokens };
    this.reader.take({ vector: this.#pooling.finish(this.#normalize), usage });
    return true;
  }
}
