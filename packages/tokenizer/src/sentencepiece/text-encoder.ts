import type { IdSink } from '../base-tokenizer.ts';

/** Collects the ids of texts. */
export interface SentencePieceEncoder extends IdSink {
  /** Appends the ids of a text (one part between added tokens); `prefix`: with the dummy prefix. */
  encode(text: string, prefix: boolean): void;
  /**
   * Ids of one text with the bytes each covers, `▁` and space counting one. Leaves nothing behind.
   */
  measure(
    text: string,
    prefix: boolean,
  ): { readonly ids: ArrayLike<number>; readonly lengths: ArrayLike<number> };
}
