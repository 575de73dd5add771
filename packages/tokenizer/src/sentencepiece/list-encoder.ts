import type { SentencePieceRules } from './rules.ts';
import type { SentencePieceEncoder } from './text-encoder.ts';

/** A token with the bytes it covers, `▁` and space counting one. */
export interface MeasuredToken {
  readonly id: number;
  length: number;
}

/** An encoder that makes the tokens of a text as a list: what is done with them is the same for every way to cut. */
export abstract class ListEncoder implements SentencePieceEncoder {
  readonly #rules: SentencePieceRules;
  readonly #byteFallback: boolean;
  #ids: number[] = [];

  constructor(rules: SentencePieceRules, byteFallback: boolean) {
    this.#rules = rules;
    this.#byteFallback = byteFallback;
  }

  /** The tokens of one part of a text between added tokens. */
  abstract tokens(text: string, prefix: boolean): MeasuredToken[];

  get count(): number {
    return this.#ids.length;
  }

  append(id: number): void {
    this.#ids.push(id);
  }

  take(): Int32Array {
    const ids = Int32Array.from(this.#ids);
    this.#ids = [];
    return ids;
  }

  clear(): void {
    this.#ids = [];
  }

  encode(text: string, prefix: boolean): void {
    for (const { id } of this.tokens(text, prefix)) this.#ids.push(id);
  }

  measure(text: string, prefix: boolean): { ids: number[]; lengths: number[] } {
    const tokens = this.tokens(text, prefix);
    return { ids: tokens.map(({ id }) => id), lengths: tokens.map(({ length }) => length) };
  }

  /** Characters of `length` bytes that are no piece: bytes, or one unknown token for a whole run of them. */
  addUnknown(tokens: MeasuredToken[], text: string, length: number): void {
    const last = tokens.at(-1);
    if (!this.#byteFallback && last !== undefined && last.id === this.#rules.unkId) {
      last.length += length;
      return;
    }
    const ids = this.#rules.spellText(text);
    // A byte each, or the first one stands for all.
    ids.forEach((id, i) => tokens.push({ id, length: ids.length === length ? 1 : i === 0 ? length : 0 }));
  }
}
