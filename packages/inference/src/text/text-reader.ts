import type { Tokenizer } from '@cria/tokenizer';
import type { TokenLogProbability } from '../sequence/log-probabilities.ts';
import type { IdChunk, Reader, Usage } from '../sequence/results.ts';
import { type FinishReason, Output } from './output.ts';
import { TextAssembler } from './text-assembler.ts';

export interface TextReaderOptions {
  readonly tokenizer: Tokenizer;
  /** Ids before the first generated one. */
  readonly prompt: ArrayLike<number>;
  readonly stop: readonly string[];
  /** Text that comes first. */
  readonly echoed: string;
}

/**
 * Makes a text of ids as they come, on whichever side of whatever lies between. It ends where the
 * ids do, or before, at a stop string: then `output` ends, and whoever made this cancels the ids.
 */
export class TextReader implements Reader<IdChunk> {
  readonly output = new Output();
  readonly #assembler: TextAssembler;
  #echoed: string;
  #generated = 0;

  constructor({ tokenizer, prompt, stop, echoed }: TextReaderOptions) {
    this.#assembler = new TextAssembler(tokenizer, prompt, stop);
    this.#echoed = echoed;
  }

  take({ ids, finishReason, usage, ...probabilities }: IdChunk): void {
    let text = '';
    for (const [i, id] of ids.entries()) {
      this.#generated++;
      // The last id of a text that ended by itself stands for no text.
      if (finishReason === 'stop' && i === ids.length - 1) break;
      const assembled = this.#assembler.push(id);
      text += assembled.text;
      if (assembled.stopped) return this.#tell(ids.slice(0, i + 1), text, usage, probabilities, 'stop');
    }
    if (!finishReason) return this.#tell(ids, text, usage, probabilities);
    const last = this.#assembler.end();
    const reason = last.stopped || finishReason !== 'length' ? 'stop' : 'length';
    this.#tell(ids, text + last.text, usage, probabilities, reason);
  }

  /** Ends the text with an error. What was held back is text by now, so the reader gets it first. */
  fail(error: unknown): void {
    try {
      const { text } = this.#assembler.end();
      if (text !== '') this.output.push({ text: this.#withEcho(text), ids: [], usage: this.#lastUsage });
    } catch {
      // The error may be the assembler's own: then there is nothing more to give.
    }
    this.output.fail(error);
  }

  #lastUsage: Usage = { promptTokens: 0, completionTokens: 0, cachedTokens: 0 };

  #tell(
    ids: readonly number[],
    text: string,
    usage: Usage,
    { logProbabilities, promptLogProbabilities }: Partial<IdChunk>,
    finishReason?: FinishReason,
  ): void {
    // Of ids that came together the text may have ended before the last.
    this.#lastUsage = { ...usage, completionTokens: this.#generated };
    const probabilities: readonly TokenLogProbability[] | undefined = logProbabilities?.slice(0, ids.length);
    this.output.push({
      text: this.#withEcho(text),
      ids,
      ...(probabilities && { logProbabilities: probabilities }),
      ...(promptLogProbabilities && { promptLogProbabilities }),
      usage: this.#lastUsage,
      ...(finishReason && { finishReason }),
    });
  }

  #withEcho(text: string): string {
    const whole = this.#echoed + text;
    this.#echoed = '';
    return whole;
  }
}
