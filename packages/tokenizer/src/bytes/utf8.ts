/** UTF-8 helpers that the tokenizers share. */

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const strictDecoder = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });

/** Lone surrogates become U+FFFD. */
export function encodeUtf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/**
 * Writes `text` at `offset` and returns the number of bytes. `target` needs room for 3 bytes a code
 * unit.
 */
export function encodeUtf8Into(text: string, target: Uint8Array, offset: number): number {
  return encoder.encodeInto(text, offset === 0 ? target : target.subarray(offset)).written;
}

/**
 * Each maximal invalid part becomes one U+FFFD, as browsers and Python's "replace" do. A byte order
 * mark is kept.
 */
export function decodeUtf8(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** The text, or undefined when the bytes are not valid UTF-8. */
export function decodeUtf8Strict(bytes: Uint8Array): string | undefined {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    return undefined; // the decoder's one way to say "invalid"
  }
}

/** Length of the UTF-8 sequence that `lead` begins; 1 for a byte that begins none. */
export function sequenceLength(lead: number): number {
  return lead < 0xc2 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 1;
}

/**
 * Length of the valid character at `start`, or minus the number of further bytes it lacks when
 * `end` cuts a so far valid one, or 0 when no character begins there.
 */
export function characterAt(bytes: Uint8Array, start: number, end: number): number {
  const lead = bytes[start];
  if (lead < 0x80) return 1;
  const length = sequenceLength(lead);
  if (length === 1) return 0;
  for (let i = 1; i < length; i++) {
    if (start + i >= end) return i - length;
    const byte = bytes[start + i];
    let low = 0x80;
    let high = 0xbf;
    if (i === 1) {
      if (lead === 0xe0) low = 0xa0;
      else if (lead === 0xed) high = 0x9f;
      else if (lead === 0xf0) low = 0x90;
      else if (lead === 0xf4) high = 0x8f;
    }
    if (byte < low || byte > high) return 0;
  }
  return length;
}

export function isValidUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end;) {
    if (bytes[i] < 0x80) {
      i++;
      continue;
    }
    const length = characterAt(bytes, i, end);
    if (length <= 0) return false;
    i += length;
  }
  return true;
}

/** Code point of the valid character of `length` bytes at `start`. */
export function codePointAt(bytes: Uint8Array, start: number, length: number): number {
  const lead = bytes[start];
  if (length === 1) return lead;
  if (length === 2) return ((lead & 0x1f) << 6) | (bytes[start + 1] & 0x3f);
  if (length === 3)
    return ((lead & 0x0f) << 12) | ((bytes[start + 1] & 0x3f) << 6) | (bytes[start + 2] & 0x3f);
  return (
    ((lead & 0x07) << 18) |
    ((bytes[start + 1] & 0x3f) << 12) |
    ((bytes[start + 2] & 0x3f) << 6) |
    (bytes[start + 3] & 0x3f)
  );
}

/**
 * Replaces every byte that belongs to no valid character by U+FFFD, one for each byte:
 * sentencepiece's rule for byte pieces.
 */
export function replaceInvalidBytes(bytes: Uint8Array): Uint8Array {
  const end = bytes.length;
  const out = new Uint8Array(end * 3);
  let n = 0;
  for (let i = 0; i < end;) {
    const length = characterAt(bytes, i, end);
    if (length > 0) {
      for (let k = 0; k < length; k++) out[n++] = bytes[i++];
    } else {
      out[n++] = 0xef;
      out[n++] = 0xbf;
      out[n++] = 0xbd;
      i++;
    }
  }
  return out.subarray(0, n);
}

/** The longest parts of `bytes` that are valid UTF-8, and what stands between them. */
export function* utf8Parts(bytes: Uint8Array): Generator<{ start: number; end: number; valid: boolean }> {
  for (let start = 0; start < bytes.length;) {
    const valid = characterAt(bytes, start, bytes.length) > 0;
    let end = start;
    while (end < bytes.length) {
      const length = characterAt(bytes, end, bytes.length);
      if (length > 0 !== valid) break;
      end += valid ? length : 1;
    }
    yield { start, end, valid };
    start = end;
  }
}
