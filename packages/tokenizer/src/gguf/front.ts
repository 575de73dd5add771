import { TokenizerError } from '../errors.ts';
import { GgufCutError } from './cursor.ts';
import { readGguf } from './header.ts';
import type { GgufHeader } from './types.ts';

/**
 * Headers are mostly the vocabulary: 7 MB for Llama 3. A longer one is refused before it is read.
 */
const MOST_HEADER_BYTES = 32 << 20;
/**
 * Bytes of the front that are tried one after the other: enough without a vocabulary, with one of
 * 32,000 pieces, and with any.
 */
const FRONTS = [1 << 16, 1 << 21, MOST_HEADER_BYTES];

/**
 * The header of a file of `fileSize` bytes of which no more than its front is read.
 *
 * @param read gives bytes `begin` to `end` of the file.
 */
export async function readGgufFront(
  fileSize: number,
  read: (begin: number, end: number) => Promise<Uint8Array>,
): Promise<GgufHeader> {
  for (const bytes of FRONTS) {
    const front = await read(0, Math.min(bytes, fileSize));
    try {
      return readGguf(front, { fileSize });
    } catch (error) {
      if (!(error instanceof GgufCutError)) throw error;
    }
  }
  throw new TokenizerError(
    'readGguf',
    `the header has more than ${MOST_HEADER_BYTES} bytes`,
    'is the file damaged?',
  );
}
