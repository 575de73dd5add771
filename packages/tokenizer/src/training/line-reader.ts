/** Cuts texts into lines and words as sentencepiece's trainer does, and counts the words. */
import { HASH_PRIME, HASH_SEED } from '../bytes/byte-table.ts';
import { encodeUtf8, encodeUtf8Into } from '../bytes/utf8.ts';
import { WordCounter } from './word-counter.ts';
import type { WordReader } from './word-reader.ts';

export interface LineReaderOptions {
  /** Longer lines are left out. */
  readonly maxLineBytes: number;
  readonly addDummyPrefix: boolean;
  /** A run of spaces belongs to one word (else every space begins one). */
  readonly joinSpaces: boolean;
  /** Texts that are cut out of lines: the reserved pieces. Nothing joins across them. */
  readonly cutAt: readonly string[];
}

const NEWLINE = 0x0a;
const SPACE = 0x20;
const BOUNDARY = 0x1f;

export class LineReader implements WordReader {
  readonly words = new WordCounter();
  readonly options: LineReaderOptions;
  /** Lines left out because they are too long or hold U+2585, which the trainer uses itself. */
  skippedLines = 0;
  readonly #cuts: CutTree | undefined;
  #bytes = new Uint8Array(1 << 16);

  constructor(options: LineReaderOptions) {
    this.options = options;
    this.#cuts = options.cutAt.length > 0 ? new CutTree(options.cutAt) : undefined;
  }

  add(text: string): void {
    const room = text.length * 3 + 2;
    if (this.#bytes.length < room) this.#bytes = new Uint8Array(room + (room >> 1));
    const n = encodeUtf8Into(text, this.#bytes, 1);
    this.addBytes(this.#bytes, 1, n + 1);
    if (this.#bytes.length > 1 << 24) this.#bytes = new Uint8Array(1 << 16);
  }

  /**
   * Counts the lines of bytes[start .. end), valid UTF-8. Writes into `bytes`, also at start − 1
   * and end.
   */
  addBytes(bytes: Uint8Array, start: number, end: number): void {
    const { maxLineBytes } = this.options;
    const marks = includes(bytes, start, end, 0x85);
    const spaceSigns = includes(bytes, start, end, 0x81);
    const text = bytes.subarray(0, end); // a search must not run on into what lies behind
    for (let at = start; at < end;) {
      let to = text.indexOf(NEWLINE, at);
      if (to < 0) to = end;
      const length = to - at;
      if (length > maxLineBytes || (marks && includes(bytes, at, to, 0x85))) this.skippedLines++;
      else if (length > 0) this.#addLine(bytes, at, spaceSigns ? shorten(bytes, at, to) : to);
      at = to + 1;
    }
  }

  cutAfter(text: string, from: number): number {
    const newline = text.indexOf('\n', from);
    return newline < 0 ? text.length : newline + 1;
  }

  #addLine(bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    if (this.options.addDummyPrefix) bytes[--at] = SPACE;
    if (this.#cuts !== undefined) end = this.#cuts.cut(bytes, at, end);
    const { words } = this;
    const { joinSpaces } = this.options;
    while (at < end) {
      const from = at;
      let hash = HASH_SEED;
      do {
        hash = Math.imul(hash ^ bytes[at], HASH_PRIME);
        at++;
      } while (joinSpaces && at < end && bytes[at] === SPACE && bytes[at - 1] === SPACE);
      let byte = bytes[at];
      while (at < end && byte !== SPACE) {
        hash = Math.imul(hash ^ byte, HASH_PRIME);
        byte = bytes[++at];
      }
      words.add(bytes, from, at, hash, 1);
    }
  }
}

/** Whether U+2580 + (last − 0x80) occurs: `▁` is E2 96 81, `▅` is E2 96 85. */
function includes(bytes: Uint8Array, start: number, end: number, last: number): boolean {
  for (let at = start + 2; at < end; at++) {
    if (bytes[at] === last && bytes[at - 1] === 0x96 && bytes[at - 2] === 0xe2) return true;
  }
  return false;
}

/** `▁` means a space in the text too. Returns the new end. */
function shorten(bytes: Uint8Array, start: number, end: number): number {
  let to = start;
  for (let at = start; at < end; at++) {
    if (bytes[at] === 0xe2 && bytes[at + 1] === 0x96 && bytes[at + 2] === 0x81 && at + 2 < end) {
      bytes[to++] = SPACE;
      at += 2;
    } else {
      bytes[to++] = bytes[at];
    }
  }
  return to;
}

type Branch = Map<number, Branch> & { isEnd?: boolean };

/** Finds reserved texts, at each place the longest, and puts U+001F for them. */
class CutTree {
  readonly #root: Branch = new Map<number, Branch>();
  readonly #leads = new Uint8Array(256);

  constructor(texts: readonly string[]) {
    for (const text of texts) {
      let branch = this.#root;
      const bytes = encodeUtf8(text.replaceAll('▁', ' '));
      this.#leads[bytes[0]] = 1;
      for (const byte of bytes) {
        let next = branch.get(byte);
        if (next === undefined) branch.set(byte, (next = new Map<number, Branch>()));
        branch = next;
      }
      branch.isEnd = true;
    }
  }

  cut(bytes: Uint8Array, start: number, end: number): number {
    const leads = this.#leads;
    let at = start;
    while (at < end && leads[bytes[at]] === 0) at++;
    let to = at;
    while (at < end) {
      const length = leads[bytes[at]] === 0 ? 0 : this.#match(bytes, at, end);
      if (length > 0) {
        bytes[to++] = BOUNDARY;
        at += length;
      } else {
        bytes[to++] = bytes[at++];
      }
    }
    return to;
  }

  #match(bytes: Uint8Array, start: number, end: number): number {
    let branch: Branch | undefined = this.#root;
    let longest = 0;
    for (let at = start; at < end;) {
      branch = branch.get(bytes[at]);
      if (branch === undefined) break;
      at++;
      if (branch.isEnd === true) longest = at - start;
    }
    return longest;
  }
}
