import type { Tokenizer } from '@cria/tokenizer';

/** Marks, which normalisation joins with the letter before them into one that the vocabulary may not know. */
const joining = /[\p{M}\uff9e\uff9f]/u;
/** Letters of Hangul that become a syllable together. */
const jamo = /[\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff]/;
/** Characters that no normalisation takes away: what is left of each is a byte at least. */
const lasting = /[\p{L}\p{N}\x21-\x7e]/u;

/**
 * How few tokens a text can have, found by looking at it once: characters that are sure to reach the vocabulary, over the bytes of
 * the longest token. Spaces and marks count nothing, since a vocabulary's normalisation may drop or join them, nor do characters that
 * it does not know, since a run of them may be one unknown token. So this is far below the true number, but never above it.
 *
 * The function that comes back stops looking when the number passes `enough`.
 */
export function fewestTokens(tokenizer: Tokenizer): (text: string, enough: number) => number {
  const longest = longestToken(tokenizer);
  const known = new Map<number, -1 | 0 | 1>();
  const bytesOf = (character: number): -1 | 0 | 1 => {
    const text = String.fromCodePoint(character);
    if (joining.test(text)) return -1;
    if (!lasting.test(text) || jamo.test(text)) return 0;
    return tokenizer.unkId !== undefined && tokenizer.encode(text).includes(tokenizer.unkId) ? 0 : 1;
  };
  return (text, enough) => {
    const most = enough * longest;
    let bytes = 0;
    for (let i = 0; i < text.length && bytes <= most; i++) {
      const character = text.codePointAt(i) ?? 0;
      if (character > 0xffff) i++;
      let count = known.get(character);
      if (count === undefined) known.set(character, (count = bytesOf(character)));
      bytes += count;
    }
    return Math.max(0, Math.ceil(bytes / longest));
  };
}

/** Bytes of the token that stands for the most text. */
function longestToken(tokenizer: Tokenizer): number {
  const utf8 = new TextEncoder();
  let longest = 1;
  for (let id = 0; id < tokenizer.vocabSize; id++) {
    // A special token has no bytes of its own, but its name is read where a vocabulary takes it as plain text.
    const bytes = tokenizer.tokenBytes(id).length || utf8.encode(tokenizer.idToPiece(id)).length;
    if (bytes > longest) longest = bytes;
  }
  return longest;
}
