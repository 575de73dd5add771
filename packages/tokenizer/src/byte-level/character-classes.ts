/**
 * Letter, number, white space or other: what the split patterns ask of a character. Filled on
 * demand, 256 characters at a time.
 */

export const OTHER = 0;
export const LETTER = 1;
export const NUMBER = 2;
export const WHITE = 3;

const UNKNOWN = 255;
const classes = new Uint8Array(0x110000).fill(UNKNOWN, 0x80);

const letter = /^\p{L}$/u;
const number = /^\p{N}$/u;
const white = /^\p{White_Space}$/u;

function classify(code: number): number {
  const character = String.fromCodePoint(code);
  return letter.test(character)
    ? LETTER
    : number.test(character)
      ? NUMBER
      : white.test(character)
        ? WHITE
        : OTHER;
}

for (let code = 0; code < 0x80; code++) classes[code] = classify(code);

function fill(code: number): number {
  const from = Math.max(0x80, code & ~0xff);
  for (let i = from; i <= (code | 0xff); i++) classes[i] = classify(i);
  return classes[code];
}

/** Class of the character at `at` in valid UTF-8. */
export function classAt(bytes: Uint8Array, at: number): number {
  const lead = bytes[at];
  if (lead < 0x80) return classes[lead];
  const code =
    lead < 0xe0
      ? ((lead & 0x1f) << 6) | (bytes[at + 1] & 0x3f)
      : lead < 0xf0
        ? ((lead & 0x0f) << 12) | ((bytes[at + 1] & 0x3f) << 6) | (bytes[at + 2] & 0x3f)
        : ((lead & 0x07) << 18) |
          ((bytes[at + 1] & 0x3f) << 12) |
          ((bytes[at + 2] & 0x3f) << 6) |
          (bytes[at + 3] & 0x3f);
  const found = classes[code];
  return found === UNKNOWN ? fill(code) : found;
}

/** Length in bytes of the character that `lead` begins in valid UTF-8. */
export function lengthOf(lead: number): number {
  return lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}
