/**
 * Text to ids through the definition (plain.ts), for vocabularies that the fast path does not
 * cover.
 */
import { utf8Length } from '../offsets.ts';
import { ListEncoder, type MeasuredToken } from './list-encoder.ts';
import type { SentencePieceSettings } from './model.ts';
import type { PlainSentencePiece } from './plain.ts';
import type { SentencePieceRules } from './rules.ts';

export class PlainEncoder extends ListEncoder {
  readonly #plain: PlainSentencePiece;
  readonly #normalize: (text: string, prefix: boolean) => string;

  constructor(
    rules: SentencePieceRules,
    settings: SentencePieceSettings,
    plain: PlainSentencePiece,
    normalize: (text: string, prefix: boolean) => string,
  ) {
    super(rules, settings.byteFallback);
    this.#normalize = normalize;
    this.#plain = plain;
  }

  override tokens(text: string, prefix: boolean): MeasuredToken[] {
    const tokens: MeasuredToken[] = [];
    for (const symbol of this.#plain.encode(this.#normalize(text, prefix))) {
      const length = utf8Length(symbol.text.replaceAll('▁', ' '));
      if (symbol.id >= 0) tokens.push({ id: symbol.id, length });
      else this.addUnknown(tokens, symbol.text, length);
    }
    return tokens;
  }
}
