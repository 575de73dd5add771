import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { fail } from '@cria/tensor';
import {
  BLOCK_BYTES,
  blockCount,
  hex,
  parseShardHeader,
  payloadBytes,
  SHARD_HEADER_BYTES,
  type ShardHeader,
} from './shard-format.ts';

const op = 'openShard';
/** Blocks kept in memory, of each shard: 4 MiB. */
const CACHED_BLOCKS = 64;

/**
 * A shard on disk. Opening checks header, size, checksum table and document starts; tokens are
 * checked block by block as they are read.
 */
export class ShardReader {
  readonly path: string;
  readonly header: ShardHeader;
  /** First token of each document, ascending from 0. */
  readonly starts: Uint32Array;
  readonly #file: number;
  readonly #table: Uint32Array;
  readonly #cache = new Map<number, Buffer>();
  #closed = false;

  constructor(path: string) {
    this.path = path;
    try {
      this.#file = openSync(path, 'r');
    } catch (error) {
      fail(
        op,
        `cannot open ${path} (${(error as NodeJS.ErrnoException).code}).`,
        'prepare the data again',
        error,
      );
    }
    try {
      const size = fstatSync(this.#file).size;
      this.header = parseShardHeader(path, this.#read(0, Math.min(SHARD_HEADER_BYTES, size)), size);
      this.#table = this.#readTable();
      this.starts = this.#readStarts();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Tokens `begin` to `end`. */
  tokens(begin: number, end: number): Uint16Array | Uint32Array {
    const { tokenBytes, tokens } = this.header;
    if (!(0 <= begin && begin <= end && end <= tokens))
      fail(op, `tokens ${begin} to ${end} are outside ${this.path} of ${tokens}.`);
    const bytes = this.#payload(begin * tokenBytes, end * tokenBytes);
    return tokenBytes === 2
      ? new Uint16Array(bytes.buffer, 0, end - begin)
      : new Uint32Array(bytes.buffer, 0, end - begin);
  }

  close(): void {
    if (!this.#closed) closeSync(this.#file);
    this.#closed = true;
    this.#cache.clear();
  }

  #readTable(): Uint32Array {
    const bytes = this.#read(SHARD_HEADER_BYTES + payloadBytes(this.header), 4 * blockCount(this.header));
    this.#compare('checksum table', this.header.tableChecksum, bytes);
    return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  }

  #readStarts(): Uint32Array {
    const end = payloadBytes(this.header);
    const starts = new Uint32Array(this.#payload(end - 4 * this.header.documents, end).buffer);
    for (const [i, start] of starts.entries()) {
      const least = i === 0 ? 0 : (starts[i - 1] ?? 0) + 1;
      if (start < least || start >= this.header.tokens || (i === 0 && start !== 0))
        fail(op, `${this.path}: document ${i} starts at token ${start}.`, 'the file is damaged');
    }
    return starts;
  }

  /** A copy of bytes of the payload, from blocks whose checksums hold. */
  #payload(begin: number, end: number): Uint8Array<ArrayBuffer> {
    const out = new Uint8Array(end - begin);
    for (let at = begin; at < end;) {
      const block = Math.floor(at / BLOCK_BYTES);
      const from = at - block * BLOCK_BYTES;
      const part = this.#block(block).subarray(from, from + end - at);
      out.set(part, at - begin);
      at += part.length;
    }
    return out;
  }

  #block(index: number): Buffer {
    const cached = this.#cache.get(index);
    if (cached) return cached;
    const begin = index * BLOCK_BYTES;
    const bytes = this.#read(
      SHARD_HEADER_BYTES + begin,
      Math.min(BLOCK_BYTES, payloadBytes(this.header) - begin),
    );
    this.#compare(`block ${index}`, this.#table[index] ?? 0, bytes);
    if (this.#cache.size >= CACHED_BLOCKS) this.#cache.delete(this.#cache.keys().next().value ?? 0);
    this.#cache.set(index, bytes);
    return bytes;
  }

  #compare(what: string, stated: number, bytes: Uint8Array): void {
    const computed = crc32(bytes);
    if (computed !== stated) {
      fail(
        op,
        `the ${what} of ${this.path} has checksum ${hex(computed)}, the file states ${hex(stated)}.`,
        'the file is damaged; prepare the data again',
      );
    }
  }

  #read(position: number, length: number): Buffer {
    const bytes = Buffer.from(new ArrayBuffer(length));
    for (let done = 0; done < length;) {
      const count = readSync(this.#file, bytes, done, length - done, position + done);
      if (count === 0)
        fail(
          op,
          `${this.path} ends at byte ${position + done}.`,
          'the file was cut while it was open; prepare the data again',
        );
      done += count;
    }
    return bytes;
  }
}
