import type { Tokenizer } from '@cria/tokenizer';
import { type FinishReason, Output } from './output.ts';
import type { ResolvedRequest } from './request.ts';
import { Sequence } from './sequence.ts';
import { type Assembled, TextAssembler } from './text-assembler.ts';

/** A sequence with its request and its reader: from the next id to text, and to the reason why it ends. */
export class Generation extends Sequence {
  readonly request: ResolvedRequest;
  readonly output = new Output();
  #assembler: TextAssembler;
  #echoed: string;

  constructor(request: ResolvedRequest, tokenizer: Tokenizer) {
    super(request.ids);
    this.request = request;
    this.#assembler = new TextAssembler(tokenizer, request.ids, request.stop);
    this.#echoed = request.echoed;
  }

  /** Appends a sampled id and tells the reader; the output ends where the text does. */
  accept(id: number, isEos: boolean): void {
    this.append(id);
    const assembled = isEos ? { text: '', stopped: false } : this.#assembler.push(id);
    const atLimit = this.generated >= this.request.maxTokens;
    if (assembled.stopped) this.#tell([id], assembled.text, 'stop');
    else if (isEos || atLimit) this.#tellLast([id], assembled.text, isEos ? 'stop' : 'length');
    else this.#tell([id], assembled.text);
  }

  /** Ends a request for no tokens at all. */
  finishEmpty(): void {
    this.#tell([], '', 'length');
  }

  /** Ends the text with an error. What was held back is text by now, so the reader gets it first. */
  fail(error: unknown): void {
    try {
      const { text } = this.#assembler.end();
      if (text !== '') this.#tell([], text);
    } catch {
      // The error may be the assembler's own: then there is nothing more to give.
    }
    this.output.fail(error);
  }

  #tellLast(ids: number[], text: string, reason: FinishReason): void {
    const last: Assembled = this.#assembler.end();
    this.#tell(ids, text + last.text, last.stopped ? 'stop' : reason);
  }

  #tell(ids: number[], text: string, finishReason?: FinishReason): void {
    const usage = { promptTokens: this.promptLength, completionTokens: this.generated };
    const whole = this.#echoed + text;
    this.#echoed = '';
    this.output.push({ text: whole, ids, usage, ...(finishReason && { finishReason }) });
  }
}
