/** Cuts texts into chunks as byte-level vocabularies do before merging, and counts the chunks. */
import { HASH_PRIME, HASH_SEED } from './byte-table.ts';
import { compilePattern, LLAMA3_PATTERN, scannerFor, type ChunkScanner } from './split-patterns.ts';
import { decodeUtf8, encodeUtf8, encodeUtf8Into } from './utf8.ts';
import { WordCounter } from './word-counter.ts';
import type { WordReader } from './word-reader.ts';

export interface ChunkReaderOptions {
  /** Regular expression in tiktoken's dialect (split-patterns.ts). */
  readonly pattern: string;
}

const KEPT_BYTES = 1 << 24;
/** A line end in front of a character that is no white space: Llama 3's pattern always ends a chunk there, and looks no further. */
const LLAMA3_CUT = /\n(?=\P{White_Space})/gu;

export class ChunkReader implements WordReader {
  readonly words = new WordCounter();
  readonly options: ChunkReaderOptions;
  skippedLines = 0;
  private readonly scanner: ChunkScanner | undefined;
  private readonly expression: RegExp | undefined;
  private bytes = new Uint8Array(1 << 16);

  constructor(options: ChunkReaderOptions) {
    this.options = options;
    this.scanner = scannerFor(options.pattern);
    this.expression = this.scanner === undefined ? compilePattern(options.pattern) : undefined;
  }

  add(text: string): void {
    const room = text.length * 3;
    if (this.bytes.length < room) this.bytes = new Uint8Array(room + (room >> 1));
    this.addBytes(this.bytes, 0, encodeUtf8Into(text, this.bytes, 0));
    if (this.bytes.length > KEPT_BYTES) this.bytes = new Uint8Array(1 << 16);
  }

  addBytes(bytes: Uint8Array, start: number, end: number): void {
    const { scanner, expression } = this;
    if (scanner !== undefined) {
      for (let at = start; at < end;) {
        const to = scanner(bytes, at, end);
        this.count(bytes, at, to);
        at = to;
      }
    } else if (expression !== undefined) {
      const text = decodeUtf8(bytes.subarray(start, end));
      let at = 0;
      const countText = (to: number): void => {
        const chunk = encodeUtf8(text.slice(at, to));
        if (chunk.length > 0) this.count(chunk, 0, chunk.length);
        at = to;
      };
      for (const match of text.matchAll(expression)) {
        countText(match.index); // what no match covers is a chunk too
        countText(match.index + match[0].length);
      }
      countText(text.length);
    }
  }

  cutAfter(text: string, from: number): number {
    if (this.options.pattern !== LLAMA3_PATTERN) return text.length;
    LLAMA3_CUT.lastIndex = Math.max(0, from - 1);
    const match = LLAMA3_CUT.exec(text);
    return match === null ? text.length : match.index + 1;
  }

  private count(bytes: Uint8Array, start: number, end: number): void {
    let hash = HASH_SEED;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i], HASH_PRIME);
    this.words.add(bytes, start, end, hash, 1);
  }
}
