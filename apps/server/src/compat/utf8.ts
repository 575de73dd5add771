const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text of a token's bytes; undefined where they are only part of a character. */
export function utf8(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}
