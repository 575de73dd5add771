/**
 * The reader that some options ask for: lines and spaces for SentencePiece, a split pattern for
 * byte-level vocabularies.
 */
import { ChunkReader, type ChunkReaderOptions } from './chunk-reader.ts';
import { LineReader, type LineReaderOptions } from './line-reader.ts';
import type { WordReader } from './word-reader.ts';

export type WordReaderOptions = LineReaderOptions | ChunkReaderOptions;

export function createWordReader(options: WordReaderOptions): WordReader {
  return 'pattern' in options ? new ChunkReader(options) : new LineReader(options);
}
