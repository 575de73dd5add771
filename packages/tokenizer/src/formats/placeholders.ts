import { ByteLevelTokenizer } from '../byte-level/tokenizer.ts';
import { TokenBytes } from '../bytes/token-bytes.ts';
import { modelFromPieces } from '../sentencepiece/model.ts';
import { PieceList, UNUSED } from '../sentencepiece/piece-list.ts';
import { SentencePieceTokenizer } from '../sentencepiece/tokenizer.ts';

/**
 * What converters write where an embedding has more rows than the vocabulary tokens: `[PAD32001]`
 * for id 32001.
 */
const PLACEHOLDER = /^\[+PAD\d+\]+$/;

/**
 * The vocabulary without the placeholders at its end, which no text gives: GGUF needs them where an
 * embedding has more rows, other formats have no place for them. The same tokenizer where there are
 * none.
 */
export function withoutPlaceholders(
  tokenizer: SentencePieceTokenizer | ByteLevelTokenizer,
): SentencePieceTokenizer | ByteLevelTokenizer {
  let size = tokenizer.vocabSize;
  while (size > 0 && isUnused(tokenizer, size - 1) && PLACEHOLDER.test(tokenizer.idToPiece(size - 1))) size--;
  if (size === tokenizer.vocabSize) return tokenizer;
  if (tokenizer instanceof SentencePieceTokenizer) {
    const { model, options } = tokenizer;
    const pieces = PieceList.from(Array.from({ length: size }, (_, id) => model.pieces.at(id)));
    return new SentencePieceTokenizer(modelFromPieces(pieces, model.settings), options);
  }
  const { tokens, unused = [], ...rest } = tokenizer.options;
  const kept = [...unused].filter((id) => id < size);
  return new ByteLevelTokenizer({
    ...rest,
    tokens: TokenBytes.from(Array.from({ length: size }, (_, id) => tokens.bytes(id))),
    ...(kept.length > 0 ? { unused: new Set(kept) } : {}),
  });
}

function isUnused(tokenizer: SentencePieceTokenizer | ByteLevelTokenizer, id: number): boolean {
  return tokenizer instanceof SentencePieceTokenizer
    ? tokenizer.model.pieces.types[id] === UNUSED
    : (tokenizer.options.unused?.has(id) ?? false);
}
