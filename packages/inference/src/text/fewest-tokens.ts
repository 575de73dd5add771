import type { Tokenizer } from '@cria/tokenizer';

/** Marks, which normalisation joins with the letter before them into one that the vocabulary may not know. */
const joining = /[\p{M}\uff9e\uff9f]/u;
/** Letters of Hangul that become a syllable together. */
const jamo = /[\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff]/;
/** Characters that no normalisation takes away: what is left of each is a byte at least. */
const lasting = /[\p{L}\p{N}\x21-\x7e]/u;

const MOST_CODE_POINTS = 0x110000;
const UNSEEN = 2;

/**
 * How few tokens a text can have, found by looking at it once: characters that are sure to reach
 * the vocabulary, over the bytes of the longest token. Spaces and marks count nothing, since a
 * vocabulary's normalisation may drop or join them, nor do characters that it does not know, since
 * a run of them may be one unknown token. So this is far below the true number, but never above it.
 */
export function fewestTokens(tokenizer: Tokenizer): (text: string) => number {
  const longest = longestToken(tokenizer);
  const bytesOf = (character: number): number => {
    const text = String.fromCodePoint(character);
    if (joining.test(text)) return -1;
    if (!lasting.test(text) || jamo.test(text)) return 0;
    return tokenizer.unkId !== undefined && tokenizer.encode(text).includes(tokenizer.unkId) ? 0 : 1;
  };
  const known = new Int8Array(MOST_CODE_POINTS).fill(UNSEEN);
  return (text) => {
    let bytes = 0;
    for (let i = 0; i < text.length; i++) {
      const character = text.codePointAt(i) ?? 0;
      if (character > 0xffff) i++;
      if (known[character] === UNSEEN) known[character] = bytesOf(character);
      bytes += known[character] ?? 0;
    }
    return Math.max(0, Math.ceil(bytes / longest));
  };
}

/** Bytes of the token that stands for the most text. (Special tokens stand for none: plain text never becomes one.) */
function longestToken(tokenizer: Tokenizer): number {
  let longest = 1;
  for (let id = 0; id < tokenizer.vocabSize; id++)
    longest = Math.max(longest, tokenizer.tokenBytes(id).length);
  return longest;
}
