/** What cuts texts into words and counts them: lines and spaces for SentencePiece, a split pattern for byte-level vocabularies. */
import { ChunkReader, type ChunkReaderOptions } from './chunk-reader.ts';
import { LineReader, type LineReaderOptions } from './line-reader.ts';
import type { WordCounter } from './word-counter.ts';

/** All that a thread needs to make the same reader (a plain object). */
export type WordReaderOptions = LineReaderOptions | ChunkReaderOptions;

export interface WordReader {
  readonly words: WordCounter;
  readonly options: WordReaderOptions;
  /** Lines that were left out. */
  skippedLines: number;
  add(text: string): void;
  /** Counts the words of bytes[start .. end), valid UTF-8. May write into `bytes`, also at start − 1 and end. */
  addBytes(bytes: Uint8Array, start: number, end: number): void;
  /** The first place at or behind `from` where the text can be cut in two without changing its words; its length where there is none. */
  cutAfter(text: string, from: number): number;
}

export function createWordReader(options: WordReaderOptions): WordReader {
  return 'pattern' in options ? new ChunkReader(options) : new LineReader(options);
}
