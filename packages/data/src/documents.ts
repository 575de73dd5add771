import { isUtf8 } from 'node:buffer';
import { createReadStream, readFileSync } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { fail } from '@cria/tensor';
import { extensionOf } from './extensions.ts';
import type { Report } from './report.ts';
import type { FoundFile } from './walk.ts';

export interface Document {
  readonly text: string;
  /** UTF-8 bytes as read. */
  readonly bytes: number;
}

export interface ReadOptions {
  readonly maxFileBytes: number;
  readonly textField: string;
}

/** The documents of a file: the whole text, or one a line of JSONL. What cannot be one is counted in the report. */
export async function* readDocuments(
  file: FoundFile,
  options: ReadOptions,
  report: Report,
): AsyncGenerator<Document> {
  const extension = extensionOf(file.relative);
  if (extension === 'jsonl' || extension === 'jsonl.gz') {
    yield* readLines(file, extension === 'jsonl.gz', options, report);
    return;
  }
  if (file.bytes > options.maxFileBytes) return report.drop('too large', file.bytes);
  const text = decode(readWhole(file), report);
  if (text !== undefined) yield { text, bytes: file.bytes };
}

function readWhole({ path }: FoundFile): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    return fail(
      'prepare',
      `cannot read ${path} (${(error as NodeJS.ErrnoException).code}).`,
      undefined,
      error,
    );
  }
}

/** Text without a byte order mark; undefined, and counted, where the bytes are no text. */
function decode(bytes: Uint8Array, report: Report): string | undefined {
  if (bytes.includes(0)) return void report.drop('binary', bytes.length);
  if (!isUtf8(bytes)) return void report.drop('invalid UTF-8', bytes.length);
  return new TextDecoder().decode(bytes);
}

async function* readLines(
  file: FoundFile,
  compressed: boolean,
  options: ReadOptions,
  report: Report,
): AsyncGenerator<Document> {
  let number = 0;
  for await (const { bytes, tooLong } of splitLines(file, compressed, options.maxFileBytes)) {
    number++;
    if (tooLong > 0) report.drop('too large', tooLong);
    else if (bytes.length > 0) {
      const text = parseLine(bytes, options.textField, `${file.path}:${number}`, report);
      if (text !== undefined) yield { text, bytes: Buffer.byteLength(text) };
    }
  }
}

function parseLine(bytes: Uint8Array, field: string, where: string, report: Report): string | undefined {
  const line = decode(bytes, report);
  if (line === undefined || line.trim() === '') return undefined;
  const value = parseJson(line);
  if (value === undefined) return void report.drop('malformed', bytes.length, where);
  const text = (value as Record<string, unknown> | null)?.[field];
  if (typeof text === 'string') return text;
  report.noteFields(value);
  return void report.drop('no text in its field', bytes.length, where);
}

/** A string of JSON, or one of the numbers that only Python writes. */
const stringOrNumber = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\b(?:NaN|Infinity)\b/gs;

/**
 * Undefined where it is no JSON. NaN and Infinity, as Python's `json` writes them, make no line
 * unreadable: its text is intact.
 */
function parseJson(line: string): unknown {
  for (const text of [
    line,
    () => line.replace(stringOrNumber, (part) => (part[0] === '"' ? part : 'null')),
  ]) {
    try {
      return JSON.parse(typeof text === 'string' ? text : text());
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
  return undefined;
}

interface Line {
  readonly bytes: Uint8Array;
  /** Bytes of a line that was longer than allowed and was not kept; else 0. */
  readonly tooLong: number;
}

/** Lines of a file of any size, in memory of one line. */
async function* splitLines(file: FoundFile, compressed: boolean, limit: number): AsyncGenerator<Line> {
  let parts: Buffer[] = [];
  let length = 0;
  const take = (): Line => {
    const line =
      length > limit
        ? { bytes: new Uint8Array(0), tooLong: length }
        : { bytes: Buffer.concat(parts), tooLong: 0 };
    parts = [];
    length = 0;
    return line;
  };
  const add = (part: Buffer) => {
    length += part.length;
    if (length <= limit) parts.push(part);
    else parts = [];
  };
  for await (const chunk of chunksOf(file, compressed)) {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      add(chunk.subarray(start, end));
      yield take();
      start = end + 1;
    }
    add(chunk.subarray(start));
  }
  if (length > 0) yield take();
}

async function* chunksOf({ path }: FoundFile, compressed: boolean): AsyncGenerator<Buffer> {
  const file = createReadStream(path, { highWaterMark: 1 << 18 });
  const stream = compressed ? file.pipe(createGunzip()) : file;
  if (compressed) file.on('error', (error) => stream.destroy(error));
  try {
    for await (const chunk of stream) yield chunk as Buffer;
  } catch (error) {
    fail(
      'prepare',
      `cannot read ${path} (${(error as Error).message}).`,
      compressed ? 'is it a gzip file, and whole?' : undefined,
      error,
    );
  } finally {
    file.destroy();
  }
}
