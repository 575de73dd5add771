import type { TokenLogProbability } from '../sequence/log-probabilities.ts';
import type { Usage } from '../sequence/results.ts';

export type FinishReason =
  /** The end-of-text token, or a stop string. */
  | 'stop'
  /** `maxTokens`, or the end of the context. */
  | 'length';

/** What came since the chunk before. */
export interface GenerationChunk {
  /** Whole characters; never part of a stop string. May be empty in the last chunk. */
  readonly text: string;
  /** The ids generated since, those whose text is still held back included. */
  readonly ids: readonly number[];
  /** One for each of these ids, where they were asked for. */
  readonly logProbabilities?: readonly TokenLogProbability[];
  /** Of the next ids of the prompt, where they were asked for. */
  readonly promptLogProbabilities?: readonly TokenLogProbability[];
  /** In the last chunk only. */
  readonly finishReason?: FinishReason;
  /** Totals so far. */
  readonly usage: Usage;
}

type Waiter = {
  resolve: (result: IteratorResult<GenerationChunk>) => void;
  reject: (reason: unknown) => void;
};

/**
 * The consumer's end of a generation. The engine never waits for it: chunks that nobody has taken
 * yet become one, so a slow reader costs no more memory than its text. `return()` (a `break` out of
 * `for await`) cancels.
 */
export class Output implements AsyncIterableIterator<GenerationChunk> {
  #pending: GenerationChunk | undefined;
  #ended: { error?: unknown } | undefined;
  #waiters: Waiter[] = [];
  #onEnd: (() => void)[] = [];

  /** Runs `listener` once, when the text is complete, has failed, or is not wanted any more. */
  onEnd(listener: () => void): void {
    this.#onEnd.push(listener);
  }

  push(chunk: GenerationChunk): void {
    if (this.#ended) return;
    this.#pending = this.#pending ? joined(this.#pending, chunk) : chunk;
    if (chunk.finishReason) this.#end({});
    if (chunk.text !== '') this.#settle();
  }

  /** The reader gets what was made so far, and then the error. */
  fail(error: unknown): void {
    if (this.#ended) return;
    this.#end({ error });
  }

  next(): Promise<IteratorResult<GenerationChunk>> {
    const result = new Promise<IteratorResult<GenerationChunk>>((resolve, reject) =>
      this.#waiters.push({ resolve, reject }),
    );
    if (this.#ended || this.#pending?.text) this.#settle();
    return result;
  }

  return(): Promise<IteratorResult<GenerationChunk>> {
    this.#pending = undefined;
    this.#end({});
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #end(ended: { error?: unknown }): void {
    this.#ended = ended;
    for (const listener of this.#onEnd.splice(0)) listener();
    this.#settle();
  }

  #settle(): void {
    while (this.#waiters.length > 0 && (this.#pending || this.#ended)) {
      const { resolve, reject } = this.#waiters.shift() as Waiter; // length was looked at
      const [pending, ended] = [this.#pending, this.#ended];
      this.#pending = undefined;
      if (pending) resolve({ done: false, value: pending });
      else if (ended && 'error' in ended) {
        this.#ended = {};
        reject(ended.error);
      } else resolve({ done: true, value: undefined });
    }
  }
}

function joined(first: GenerationChunk, next: GenerationChunk): GenerationChunk {
  const all = (name: 'logProbabilities' | 'promptLogProbabilities') =>
    (first[name] ?? next[name]) && { [name]: [...(first[name] ?? []), ...(next[name] ?? [])] };
  return {
    ...next,
    text: first.text + next.text,
    ids: [...first.ids, ...next.ids],
    ...all('logProbabilities'),
    ...all('promptLogProbabilities'),
  };
}
