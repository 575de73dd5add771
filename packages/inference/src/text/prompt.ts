import type { Tokenizer } from '@cria/tokenizer';
import { invalidField } from '../request-error.ts';
import { checkIds, tooLong } from '../sequence/id-request.ts';
import { fewestTokens } from './fewest-tokens.ts';

/**
 * A text with its ids, made by `encodePrompt` where they are wanted, or elsewhere: encoding a long
 * text takes its time.
 */
export interface EncodedPrompt {
  readonly text: string;
  readonly ids: ArrayLike<number>;
}

/** What a prompt is to the engine. */
export interface ReadPrompt {
  readonly ids: ArrayLike<number>;
  /** Its text, for those who want it before theirs. */
  readonly echo: () => string;
}

/**
 * From this many UTF-16 units on, a text is long: it is weighed before it is encoded, and a server
 * encodes it on another thread. Below, encoding takes a few milliseconds at most, and an error has
 * the exact number of its tokens.
 */
export const LONG_PROMPT = 1 << 14;

/**
 * The ids of a text prompt: BOS, where the vocabulary puts it first, and the text's own. A text
 * without ids is BOS alone.
 */
export function encodePrompt(tokenizer: Tokenizer, text: string): Int32Array {
  const ids = tokenizer.encode(text, { addBos: tokenizer.addsBos });
  return ids.length === 0 && tokenizer.bosId !== undefined ? Int32Array.of(tokenizer.bosId) : ids;
}

/** Reads the prompts of one vocabulary, and refuses those that cannot fit, the long ones before they are encoded. */
export class PromptReader {
  readonly tokenizer: Tokenizer;
  #fewest: ((text: string) => number) | undefined;

  constructor(tokenizer: Tokenizer) {
    this.tokenizer = tokenizer;
  }

  /** `limit`: tokens a sequence can have. @throws RequestError */
  read(op: string, prompt: string | ArrayLike<number> | EncodedPrompt, limit: number): ReadPrompt {
    const tokenizer = this.tokenizer;
    if (typeof prompt === 'string') {
      this.weigh(op, prompt, limit);
      return this.#checked(op, { text: prompt, ids: encodePrompt(tokenizer, prompt) });
    }
    if (typeof prompt === 'object' && prompt !== null) {
      if ('text' in prompt) return this.#checked(op, prompt);
      if (typeof prompt.length === 'number') {
        checkIds(op, prompt, tokenizer.vocabSize);
        return { ids: prompt, echo: () => tokenizer.decode(prompt) };
      }
    }
    throw invalidField(op, 'prompt', prompt, 'a string or a list of token ids');
  }

  /** Refuses a long text that has too many characters for so many tokens, whatever they are. @throws RequestError */
  weigh(op: string, text: string, limit: number): void {
    if (text.length < LONG_PROMPT) return;
    this.#fewest ??= fewestTokens(this.tokenizer);
    const least = this.#fewest(text) + (this.tokenizer.addsBos ? 1 : 0);
    if (least > limit) throw tooLong(op, `${least} tokens or more`, limit);
  }

  #checked(op: string, { text, ids }: EncodedPrompt): ReadPrompt {
    if (ids.length === 0) {
      const wanted = 'enough: the vocabulary has no BOS, so the text needs a first token';
      throw invalidField(op, 'prompt', text, wanted);
    }
    checkIds(op, ids, this.tokenizer.vocabSize);
    return { ids, echo: () => text };
  }
}
