import type { Tokenizer } from '@cria/tokenizer';
import { StopStrings } from './stop-strings.ts';

export interface Assembled {
  /** Text that is certain now. Never half a character, never part of a stop string. */
  readonly text: string;
  /** A stop string is complete; the text ends before it. */
  readonly stopped: boolean;
}

/**
 * Turns generated ids into text as they come. Two things are held back: bytes that are not a
 * character yet, and characters that may begin a stop string. Whatever ends a text must ask `end()`
 * for them, unless a stop string ended it.
 */
export class TextAssembler {
  #decoder: ReturnType<Tokenizer['decodeStream']>;
  #stops: StopStrings;

  /** `prompt` are the ids before the first generated one: whether a leading space is text depends on them. */
  constructor(tokenizer: Tokenizer, prompt: ArrayLike<number>, stop: readonly string[]) {
    this.#decoder = tokenizer.decodeStream();
    this.#stops = new StopStrings(stop);
    for (let i = 0; i < prompt.length; i++) this.#decoder.push(prompt[i] as number); // within its length
  }

  push(id: number): Assembled {
    return this.#stops.push(this.#decoder.push(id));
  }

  /** No more ids come: bytes that never became a character are U+FFFD, and what was held back is text after all. */
  end(): Assembled {
    const last = this.#stops.push(this.#decoder.end());
    return last.stopped ? last : { text: last.text + this.#stops.end(), stopped: false };
  }
}
