/** Streaming decode: bytes go in, whole characters come out. */
import { characterAt, decodeUtf8 } from './utf8.ts';

/**
 * Joins bytes to text and holds back a character that is not complete yet. Invalid bytes become
 * U+FFFD: one for each byte as sentencepiece does, or one for each maximal invalid part as Python
 * and browsers do.
 */
export class Utf8Stream {
  #held = new Uint8Array(0);
  readonly #eachByte: boolean;

  constructor(eachByte: boolean) {
    this.#eachByte = eachByte;
  }

  get isEmpty(): boolean {
    return this.#held.length === 0;
  }

  push(bytes: Uint8Array): string {
    let all = bytes;
    if (this.#held.length > 0) {
      all = new Uint8Array(this.#held.length + bytes.length);
      all.set(this.#held);
      all.set(bytes, this.#held.length);
    }
    const whole = this.#completeLength(all);
    this.#held = all.slice(whole);
    return this.#text(all.subarray(0, whole));
  }

  end(): string {
    const rest = this.#held;
    this.#held = new Uint8Array(0);
    return this.#text(rest);
  }

  /** Length of `bytes` without a cut character at its end. */
  #completeLength(bytes: Uint8Array): number {
    for (let i = bytes.length - 1; i >= 0 && i >= bytes.length - 3; i--) {
      if ((bytes[i] & 0xc0) === 0x80) continue;
      return characterAt(bytes, i, bytes.length) < 0 ? i : bytes.length;
    }
    return bytes.length;
  }

  #text(bytes: Uint8Array): string {
    if (!this.#eachByte) return decodeUtf8(bytes);
    let text = '';
    let valid = 0;
    for (let i = 0; i < bytes.length;) {
      const length = characterAt(bytes, i, bytes.length);
      if (length > 0) {
        i += length;
        continue;
      }
      text += `${decodeUtf8(bytes.subarray(valid, i))}�`;
      valid = ++i;
    }
    return text + decodeUtf8(bytes.subarray(valid));
  }
}
