import type { GenerationChunk, Output, Usage } from '@cria/inference';
import type { TakenTexts } from './engine-client.ts';
import { takePlaces } from './http/auth.ts';
import { ApiError } from './http/errors.ts';
import { MAX_CHOICES } from './http/limits.ts';
import type { Call } from './http/route.ts';
import { engineOf } from './http/state.ts';
import { type Merged, merge } from './merge.ts';
import { note } from './observe/log.ts';
import type { EndReason, Metrics } from './observe/metrics.ts';
import type { TextsRequest } from './protocol.ts';

/** An engine with a prefix cache tells how much of a prompt it found there. */
type CountedUsage = Usage & { readonly cachedTokens?: number };

/** Totals of the texts of one request. */
export interface Totals {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
}

/** How far a text has come; times are milliseconds since the request. */
interface Progress {
  firstToken: number | undefined;
  last: number;
  usage: CountedUsage | undefined;
  over: boolean;
}

/** The texts of one request on their way: `n` for each prompt, those of the first prompt first. */
export class Texts {
  readonly count: number;
  readonly progress: readonly Progress[];
  readonly #outputs: readonly Output[];
  readonly #prompts: readonly ArrayLike<number>[];
  readonly #n: number;
  readonly #begun: number;
  readonly #metrics: Metrics;
  readonly #request: object;

  /**
   * Hands every text to the engine, or none; whoever hangs up cancels them.
   * @throws ApiError, RequestError, EngineFailure
   */
  static async start(call: Call, request: TextsRequest): Promise<Texts> {
    const { state, reply, request: http } = call;
    const engine = engineOf(state);
    const count = request.prompts.length * request.n;
    if (count > MAX_CHOICES) {
      const message = `${request.prompts.length} prompts times n = ${request.n} are more than ${MAX_CHOICES} texts. hint: send several requests`;
      throw new ApiError(400, message, { code: 'too_many_choices', param: 'n' });
    }
    const giveBack = takePlaces(state.keys, http, count);
    reply.raw.once('close', giveBack);
    const begun = performance.now();
    const taken = await engine.generate(request);
    const texts = new Texts(taken, request.n, begun, call);
    // After a normal end there is nothing left to cancel.
    reply.raw.once('close', () => texts.cancel());
    if (reply.raw.destroyed) texts.cancel();
    return texts;
  }

  private constructor({ outputs, prompts }: TakenTexts, n: number, begun: number, { state, request }: Call) {
    this.#outputs = outputs;
    this.#prompts = prompts;
    this.#n = n;
    this.#begun = begun;
    this.#metrics = state.metrics;
    this.#request = request.raw;
    this.count = outputs.length;
    this.progress = outputs.map(() => ({ firstToken: undefined, last: 0, usage: undefined, over: false }));
    for (const output of outputs) {
      state.metrics.begin();
      output.onEnd(() => state.metrics.leave());
    }
  }

  /** The ids that a text continues. */
  promptOf(index: number): ArrayLike<number> {
    return this.#prompts[Math.floor(index / this.#n)] ?? [];
  }

  /** Stops what still runs. Harmless afterwards. */
  cancel(): void {
    for (const output of this.#outputs) void output.return();
    this.#endAll('abort');
  }

  /** What comes of all of them, in the order in which it comes. Leaving the loop cancels. */
  async *chunks(): AsyncGenerator<Merged<GenerationChunk>> {
    try {
      for await (const each of merge(this.#outputs)) {
        this.#notice(each);
        yield each;
      }
    } catch (error) {
      this.#endAll('error');
      throw error;
    } finally {
      this.cancel();
    }
  }

  /** A prompt counts once, however many texts continue it. */
  get totals(): Totals {
    const prompts = this.progress.filter((_, i) => i % this.#n === 0);
    const sum = (texts: readonly Progress[], count: (usage: CountedUsage) => number) =>
      texts.reduce((total, { usage }) => total + (usage ? count(usage) : 0), 0);
    return {
      promptTokens: sum(prompts, (usage) => usage.promptTokens),
      cachedTokens: sum(prompts, (usage) => usage.cachedTokens ?? 0),
      completionTokens: sum(this.progress, (usage) => usage.completionTokens),
    };
  }

  #notice({ index, value }: Merged<GenerationChunk>): void {
    const text = this.progress[index];
    if (!text) return;
    text.usage = value.usage;
    text.last = performance.now() - this.#begun;
    if (value.ids.length > 0) text.firstToken ??= text.last;
    if (value.finishReason) this.#end(text, value.finishReason);
  }

  #endAll(reason: EndReason): void {
    for (const text of this.progress) this.#end(text, reason);
    const { promptTokens, completionTokens } = this.totals;
    note(this.#request, { promptTokens, completionTokens });
  }

  #end(text: Progress, reason: EndReason): void {
    if (text.over) return;
    text.over = true;
    this.#metrics.record({
      reason,
      promptTokens: text.usage?.promptTokens ?? 0,
      cachedTokens: text.usage?.cachedTokens ?? 0,
      tokens: text.usage?.completionTokens ?? 0,
      firstToken: text.firstToken,
      whole: performance.now() - this.#begun,
    });
  }
}
