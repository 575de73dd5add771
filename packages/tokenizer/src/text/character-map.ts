/**
 * The character map of a SentencePiece model (`precompiled_charsmap` of its normaliser): which
 * characters of a text are replaced by what, as nmt_nfkc does it. Layout (sentencepiece,
 * src/normalizer.cc): the length of a trie as u32, the trie, then the replacements, each ended by a
 * zero byte. The trie is a double array of Darts-clone: a unit of 32 bits has a label, an offset to
 * its children, and a flag for "a key ends here", whose value, a place among the replacements,
 * stands in the child of label 0.
 */
import { characterAt, decodeUtf8, encodeUtf8 } from '../bytes/utf8.ts';
import { failure } from '../errors.ts';

export class CharacterMap {
  readonly #trie: Uint32Array;
  readonly #replacements: Uint8Array;

  /** Throws where the blob makes no sense. */
  constructor(blob: Uint8Array) {
    const size = blob.length < 4 ? NaN : new DataView(blob.buffer, blob.byteOffset).getUint32(0, true);
    if (!(size >= 4 && size % 4 === 0 && size + 4 < blob.length))
      throw failure('readCharacterMap', `a trie of ${size} bytes in ${blob.length}`, 'the file is damaged');
    this.#trie = new Uint32Array(blob.slice(4, 4 + size).buffer);
    this.#replacements = blob.subarray(4 + size);
  }

  /**
   * Every longest key of the map is replaced, from the front (sentencepiece). `keep` says how many
   * bytes stay as they are there.
   */
  replaceLongest(text: string, keep: (bytes: Uint8Array, at: number) => number = () => 0): string {
    const bytes = encodeUtf8(text);
    const parts: Uint8Array[] = [];
    for (let at = 0; at < bytes.length;) {
      const kept = keep(bytes, at);
      const found = kept > 0 ? undefined : this.#find(bytes, at, bytes.length).at(-1);
      const length = kept > 0 ? kept : (found?.length ?? Math.max(1, characterAt(bytes, at, bytes.length)));
      parts.push(found === undefined ? bytes.subarray(at, at + length) : this.#replacement(found.value));
      at += length;
    }
    return decodeUtf8(concatenate(parts));
  }

  /**
   * Short user-perceived characters as a whole, else each code point, by the first key that begins
   * it: how tokenizers applies the map (spm_precompiled).
   */
  replaceGraphemes(text: string): string {
    let out = '';
    for (const { segment } of graphemes.segment(text)) {
      const whole = encodeUtf8(segment).length < 6 ? this.#first(segment) : undefined;
      out += whole ?? Array.from(segment, (character) => this.#first(character) ?? character).join('');
    }
    return out;
  }

  #first(text: string): string | undefined {
    const bytes = encodeUtf8(text);
    const [found] = this.#find(bytes, 0, bytes.length);
    return found === undefined ? undefined : decodeUtf8(this.#replacement(found.value));
  }

  /** Keys that begin at `at`, the shortest first. */
  #find(bytes: Uint8Array, at: number, end: number): { readonly length: number; readonly value: number }[] {
    const trie = this.#trie;
    const found: { length: number; value: number }[] = [];
    let node = offsetOf(trie[0]);
    for (let i = at; i < end && bytes[i] !== 0; i++) {
      node ^= bytes[i];
      const unit = trie[node];
      // a label takes 9 bits with the flag of a value, which no byte has
      if (unit === undefined || (unit & 0x800000ff) !== bytes[i]) break;
      node ^= offsetOf(unit);
      if ((unit >>> 8) & 1) found.push({ length: i + 1 - at, value: trie[node] & 0x7fffffff });
    }
    return found;
  }

  #replacement(value: number): Uint8Array {
    const end = this.#replacements.indexOf(0, value);
    return this.#replacements.subarray(value, end < 0 ? this.#replacements.length : end);
  }
}

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

function offsetOf(unit: number): number {
  return (unit >>> 10) << ((unit & (1 << 9)) >>> 6);
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
