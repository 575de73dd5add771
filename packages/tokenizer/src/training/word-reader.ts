/** What cuts texts into words and counts them. */
import type { WordCounter } from './word-counter.ts';

export interface WordReader {
  readonly words: WordCounter;
  /**
   * All that a thread needs to make the same reader (a plain object, for create-word-reader.ts).
   */
  readonly options: object;
  /** Lines that were left out. */
  skippedLines: number;
  add(text: string): void;
  /**
   * Counts the words of bytes[start .. end), valid UTF-8. May write into `bytes`, also at start − 1
   * and end.
   */
  addBytes(bytes: Uint8Array, start: number, end: number): void;
  /**
   * The first place at or behind `from` where the text can be cut in two without changing its
   * words; its length where there is none.
   */
  cutAfter(text: string, from: number): number;
}
