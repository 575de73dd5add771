/** Cuts texts into chunks as byte-level vocabularies do before merging, and counts the chunks. */
import { HASH_PRIME, HASH_SEED } from '../bytes/byte-table.ts';
import { LLAMA3_PATTERN } from '../byte-level/patterns.ts';
import { scannerFor, type ChunkScanner } from '../byte-level/scanners.ts';
import { compileSplitter } from '../text/splitter.ts';
import { decodeUtf8, encodeUtf8, encodeUtf8Into } from '../bytes/utf8.ts';
import { WordCounter } from './word-counter.ts';
import type { WordReader } from './word-reader.ts';

export interface ChunkReaderOptions {
  /** Regular expression in tiktoken's dialect (expression.ts). */
  readonly pattern: string;
}

const KEPT_BYTES = 1 << 24;
/**
 * A line end in front of a character that is no white space: Llama 3's pattern always ends a chunk
 * there, and looks no further.
 */
const LLAMA3_CUT = /\n(?=\P{White_Space})/gu;

export class ChunkReader implements WordReader {
  readonly words = new WordCounter();
  readonly options: ChunkReaderOptions;
  skippedLines = 0;
  readonly #scanner: ChunkScanner | undefined;
  readonly #split: ((text: string) => string[]) | undefined;
  #bytes = new Uint8Array(1 << 16);

  constructor(options: ChunkReaderOptions) {
    this.options = options;
    this.#scanner = scannerFor(options.pattern);
    this.#split = this.#scanner === undefined ? compileSplitter(options.pattern) : undefined;
  }

  add(text: string): void {
    const room = text.length * 3;
    if (this.#bytes.length < room) this.#bytes = new Uint8Array(room + (room >> 1));
    this.addBytes(this.#bytes, 0, encodeUtf8Into(text, this.#bytes, 0));
    if (this.#bytes.length > KEPT_BYTES) this.#bytes = new Uint8Array(1 << 16);
  }

  addBytes(bytes: Uint8Array, start: number, end: number): void {
    const scanner = this.#scanner;
    if (scanner !== undefined) {
      for (let at = start; at < end;) {
        const to = scanner(bytes, at, end);
        this.#count(bytes, at, to);
        at = to;
      }
      return;
    }
    for (const part of this.#split?.(decodeUtf8(bytes.subarray(start, end))) ?? []) {
      const chunk = encodeUtf8(part);
      this.#count(chunk, 0, chunk.length);
    }
  }

  cutAfter(text: string, from: number): number {
    if (this.options.pattern !== LLAMA3_PATTERN) return text.length;
    LLAMA3_CUT.lastIndex = Math.max(0, from - 1);
    const match = LLAMA3_CUT.exec(text);
    return match === null ? text.length : match.index + 1;
  }

  #count(bytes: Uint8Array, start: number, end: number): void {
    let hash = HASH_SEED;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i], HASH_PRIME);
    this.words.add(bytes, start, end, hash, 1);
  }
}
