/**
 * Text to ids through the definition (plain.ts), for vocabularies that the fast path does not
 * cover.
 */
import { utf8Length } from '../offsets.ts';
import type { SentencePieceSettings } from './model.ts';
import type { PlainSentencePiece } from './plain.ts';
import type { SentencePieceRules } from './rules.ts';
import type { SentencePieceEncoder } from './text-encoder.ts';

export class PlainEncoder implements SentencePieceEncoder {
  readonly #rules: SentencePieceRules;
  readonly #settings: SentencePieceSettings;
  readonly #plain: PlainSentencePiece;
  readonly #normalize: (text: string, prefix: boolean) => string;
  #ids: number[] = [];

  constructor(
    rules: SentencePieceRules,
    settings: SentencePieceSettings,
    plain: PlainSentencePiece,
    normalize: (text: string, prefix: boolean) => string,
  ) {
    this.#normalize = normalize;
    this.#rules = rules;
    this.#settings = settings;
    this.#plain = plain;
  }

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
    for (const { id } of this.#tokens(text, prefix)) this.#ids.push(id);
  }

  measure(text: string, prefix: boolean): { ids: number[]; lengths: number[] } {
    const tokens = this.#tokens(text, prefix);
    return { ids: tokens.map(({ id }) => id), lengths: tokens.map(({ length }) => length) };
  }

  #tokens(text: string, prefix: boolean): { id: number; length: number }[] {
    const tokens: { id: number; length: number }[] = [];
    for (const symbol of this.#plain.encode(this.#normalize(text, prefix))) {
      const length = utf8Length(symbol.text.replaceAll('▁', ' '));
      if (symbol.id >= 0) {
        tokens.push({ id: symbol.id, length });
        continue;
      }
      const last = tokens.at(-1);
      if (!this.#settings.byteFallback && last !== undefined && last.id === this.#rules.unkId) {
        last.length += length; // a run of unknown characters is one token
        continue;
      }
      const ids = this.#rules.spellText(symbol.text);
      ids.forEach((id, i) => tokens.push({ id, length: ids.length === length ? 1 : i === 0 ? length : 0 }));
    }
    return tokens;
  }
}
