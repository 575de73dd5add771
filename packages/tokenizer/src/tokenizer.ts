/**
 * The interface every tokenizer of this package implements, and the only one other packages need.
 *
 * Text is a JavaScript string; a lone surrogate counts as U+FFFD, as in `TextEncoder`. Ids are 0 to
 * vocabSize − 1.
 */

export interface EncodeOptions {
  /** Put the beginning-of-sequence id first. Default false. Throws when the vocabulary has none. */
  readonly addBos?: boolean;
  /** Put the end-of-sequence id last. Default false. Throws when the vocabulary has none. */
  readonly addEos?: boolean;
  /**
   * Which special tokens (`<s>`, `<|eot_id|>`, …) are read as such when their text occurs in the
   * input: 'none' (the default; the text is encoded as plain text, so that users cannot inject
   * them), 'all', or a list of their names.
   */
  readonly allowedSpecial?: 'none' | 'all' | readonly string[];
}

export interface DecodeOptions {
  /**
   * Leave special (control) tokens out of the text. Default: true for SentencePiece (as it does),
   * false for byte-level models (as tiktoken).
   */
  readonly skipSpecialTokens?: boolean;
}

/**
 * Ids with the place each came from. Entry i of the offset arrays belongs to token i; a token that
 * has no text (BOS) is empty.
 */
export interface Encoding {
  readonly ids: Int32Array;
  /** First byte of the token in the text's UTF-8 form, and one past its last. */
  readonly byteStart: Int32Array;
  readonly byteEnd: Int32Array;
  /**
   * The same in UTF-16 code units (JavaScript string indices). A token that begins or ends inside a
   * character covers all of it.
   */
  readonly start: Int32Array;
  readonly end: Int32Array;
}

/** Decodes one id at a time and never returns half a character. */
export interface TokenDecoder {
  /** The text that `id` makes certain; '' while a UTF-8 sequence is incomplete. */
  push(id: number): string;
  /**
   * What was held back, with U+FFFD for bytes that never became a character. The decoder starts
   * anew after it.
   */
  end(): string;
}

export interface Tokenizer {
  readonly vocabSize: number;
  readonly bosId: number | undefined;
  readonly eosId: number | undefined;
  readonly unkId: number | undefined;
  readonly padId: number | undefined;
  /**
   * Whether the model expects texts to begin with BOS (end with EOS): `add_bos_token`, or the
   * file's post-processor.
   */
  readonly addsBos: boolean;
  readonly addsEos: boolean;
  /** Ids of the special (control) tokens by their text. */
  readonly specialTokens: ReadonlyMap<string, number>;
  /**
   * Hash of the vocabulary and the encoding rules, 32 hex digits: equal for tokenizers that give
   * equal ids, whatever file they came from.
   */
  readonly fingerprint: string;

  encode(text: string, options?: EncodeOptions): Int32Array;
  encodeWithOffsets(text: string, options?: EncodeOptions): Encoding;
  encodeBatch(texts: readonly string[], options?: EncodeOptions): Int32Array[];
  /** Number of ids of `encode(text)`, without making the array. */
  countTokens(text: string): number;

  decode(ids: ArrayLike<number>, options?: DecodeOptions): string;
  decodeStream(options?: DecodeOptions): TokenDecoder;

  idToPiece(id: number): string;
  pieceToId(piece: string): number | undefined;
  /**
   * The bytes the token stands for in a text: of `▁the` those of ` the`, of `<0x0A>` the byte 10,
   * of a special token none. A copy.
   */
  tokenBytes(id: number): Uint8Array;
}
