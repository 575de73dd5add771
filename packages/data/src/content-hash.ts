import { createHash } from 'node:crypto';

/** 128 bits of SHA-256 as 32 hex digits: what counts as the same text. */
export function contentHash(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex').slice(0, 32);
}

/** A number in [0, 1) that depends on the seed and the text alone; below the validation share, the text is held out. */
export function hashToUnit(seed: number, text: string): number {
  const digest = createHash('sha256').update(`${seed}\0${text}`).digest();
  return (digest.readUInt32LE(0) * 2 ** 21 + (digest.readUInt32LE(4) >>> 11)) / 2 ** 53;
}
