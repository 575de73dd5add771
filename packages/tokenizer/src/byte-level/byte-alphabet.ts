/**
 * GPT-2's way to write bytes as visible characters (openai/gpt-2, encoder.py, bytes_to_unicode):
 * `Ġ` is a space, `Ċ` a line feed.
 */
import { failure } from '../errors.ts';

const CHARACTER_OF: readonly string[] = (() => {
  const plain = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let extra = 0;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(plain(byte) ? byte : 256 + extra++));
})();

const BYTE_OF = new Int16Array(0x180).fill(-1);
CHARACTER_OF.forEach((character, byte) => (BYTE_OF[character.charCodeAt(0)] = byte));

export function bytesToAlphabet(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += CHARACTER_OF[byte];
  return text;
}

/** The bytes, or undefined where a character is not of the alphabet. */
export function alphabetToBytes(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const byte = BYTE_OF[text.charCodeAt(i)] ?? -1;
    if (byte < 0) return undefined;
    bytes[i] = byte;
  }
  return bytes;
}

/** Throws where a character is not of the alphabet. */
export function requireAlphabetBytes(op: string, text: string): Uint8Array {
  const bytes = alphabetToBytes(text);
  if (bytes === undefined)
    throw failure(
      op,
      `the token ${JSON.stringify(text)} is not written in GPT-2's byte alphabet`,
      'this is no byte-level vocabulary',
    );
  return bytes;
}
