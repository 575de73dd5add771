/** Where in the text each token came from, from the number of bytes each token covers. */
import type { Encoding } from './tokenizer.ts';

/**
 * Ids of one part of a text, with the bytes each covers. In SentencePiece parts a literal `▁`
 * counts one byte, as a space does.
 */
export interface MeasuredIds {
  readonly ids: ArrayLike<number>;
  readonly lengths: ArrayLike<number>;
  /** Bytes at the front that the text does not have (the dummy prefix). */
  readonly prefix: number;
  readonly wideSpaces: boolean;
}

export class OffsetCollector {
  readonly #ids: number[] = [];
  readonly #byteStart: number[] = [];
  readonly #byteEnd: number[] = [];
  readonly #start: number[] = [];
  readonly #end: number[] = [];
  #byteAt = 0;
  #unitAt = 0;

  /** A token without text. */
  addEmpty(id: number): void {
    this.#add(id, this.#byteAt, this.#byteAt, this.#unitAt, this.#unitAt);
  }

  /** An added token, which covers `source` as it stands. */
  addToken(id: number, source: string): void {
    const bytes = utf8Length(source);
    this.#add(id, this.#byteAt, this.#byteAt + bytes, this.#unitAt, this.#unitAt + source.length);
    this.#byteAt += bytes;
    this.#unitAt += source.length;
  }

  finish(): Encoding {
    return {
      ids: Int32Array.from(this.#ids),
      byteStart: Int32Array.from(this.#byteStart),
      byteEnd: Int32Array.from(this.#byteEnd),
      start: Int32Array.from(this.#start),
      end: Int32Array.from(this.#end),
    };
  }

  /** Plain text, whose ids cover so many bytes each. */
  addPart(text: string, { ids, lengths, prefix, wideSpaces }: MeasuredIds): void {
    let unit = 0; // index in `text` of the character that the stream stands in
    let inside = 0; // bytes of it already consumed
    let byte = this.#byteAt;
    let missing = prefix;
    for (let i = 0; i < ids.length; i++) {
      let left = lengths[i];
      const skipped = Math.min(left, missing);
      missing -= skipped;
      left -= skipped;
      const byteStart = byte;
      const unitStart = unit;
      let unitEnd = unit;
      while (left > 0 && unit < text.length) {
        const code = text.codePointAt(unit) ?? 0;
        const units = code > 0xffff ? 2 : 1;
        const wide = wideSpaces && code === 0x2581;
        const size = wide ? 1 : utf8Size(code);
        const taken = Math.min(left, size - inside);
        left -= taken;
        inside += taken;
        byte += wide ? 3 : taken;
        unitEnd = unit + units;
        if (inside === size) {
          unit = unitEnd;
          inside = 0;
        }
      }
      this.#add(ids[i], byteStart, byte, this.#unitAt + unitStart, this.#unitAt + unitEnd);
    }
    this.#byteAt = byte;
    this.#unitAt += text.length;
  }

  #add(id: number, byteStart: number, byteEnd: number, start: number, end: number): void {
    this.#ids.push(id);
    this.#byteStart.push(byteStart);
    this.#byteEnd.push(byteEnd);
    this.#start.push(start);
    this.#end.push(end);
  }
}

/** Bytes of a code point in UTF-8; a lone surrogate stands for U+FFFD. */
function utf8Size(code: number): number {
  return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

export function utf8Length(text: string): number {
  let bytes = 0;
  for (const character of text) bytes += utf8Size(character.codePointAt(0) ?? 0);
  return bytes;
}
