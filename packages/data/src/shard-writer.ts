import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { fail } from '@cria/tensor';
import {
  BLOCK_BYTES,
  encodeShardHeader,
  MAX_SHARD_TOKENS,
  SHARD_HEADER_BYTES,
  type ShardHeader,
} from './shard-format.ts';

export interface WrittenShard {
  readonly bytes: number;
  readonly tokens: number;
  readonly documents: number;
  /** Of the whole file but its header. */
  readonly sha256: string;
}

export type ShardSettings = Pick<ShardHeader, 'vocabSize' | 'bosId' | 'eosId' | 'tokenizerFingerprint'>;

/** Writes one shard, document by document; the header comes last, so an interrupted shard has none. */
export class ShardWriter {
  tokens = 0;
  readonly path: string;
  readonly #settings: ShardSettings;
  readonly #file: number;
  readonly #hash = createHash('sha256');
  readonly #tokenBytes: 2 | 4;
  readonly #block = Buffer.alloc(BLOCK_BYTES);
  /** Bytes of the block that wait for the rest of it. */
  #filled = 0;
  /** End of the file so far; room for the header is left. */
  #written = SHARD_HEADER_BYTES;
  /** First token of each document. */
  #starts: number[] = [];
  /** CRC-32 of each block, so that a reader checks only what it reads. */
  #checksums: number[] = [];

  constructor(path: string, settings: ShardSettings) {
    this.path = path;
    this.#settings = settings;
    this.#tokenBytes = settings.vocabSize <= 65536 ? 2 : 4;
    this.#file = openSync(path, 'wx');
  }

  /** One document, with its BOS and EOS. */
  add(ids: Int32Array): void {
    if (this.tokens + ids.length > MAX_SHARD_TOKENS)
      fail('prepare', `${this.path}: more than ${MAX_SHARD_TOKENS} tokens in a shard.`);
    this.#starts.push(this.tokens);
    this.tokens += ids.length;
    for (const id of ids) {
      if (!(id >= 0 && id < this.#settings.vocabSize))
        fail('prepare', `the tokenizer gave id ${id}, its vocabulary has ${this.#settings.vocabSize}.`);
    }
    this.#append(this.#tokenBytes === 2 ? Uint16Array.from(ids) : Uint32Array.from(ids));
  }

  /** Tokens, starts of documents, checksums of the blocks, and the header that makes a shard of them. */
  finish(): WrittenShard {
    // Starts are 32-bit numbers: an odd number of 16-bit tokens is filled up.
    if ((this.tokens * this.#tokenBytes) % 4 !== 0) this.#append(new Uint16Array(1));
    this.#append(Uint32Array.from(this.#starts));
    this.#flushBlock();
    const table = Buffer.from(Uint32Array.from(this.#checksums).buffer);
    this.#write(table);
    const header: ShardHeader = {
      ...this.#settings,
      tokenBytes: this.#tokenBytes,
      tokens: this.tokens,
      documents: this.#starts.length,
      tableChecksum: crc32(table),
    };
    writeFully(this.#file, encodeShardHeader(header), 0);
    fsyncSync(this.#file);
    this.close();
    return {
      bytes: this.#written,
      tokens: this.tokens,
      documents: this.#starts.length,
      sha256: this.#hash.digest('hex'),
    };
  }

  close(): void {
    closeSync(this.#file);
  }

  /** Into blocks of one size, whatever the pieces. */
  #append(array: Uint16Array | Uint32Array): void {
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + BLOCK_BYTES - this.#filled);
      this.#block.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === BLOCK_BYTES) this.#flushBlock();
    }
  }

  #flushBlock(): void {
    if (this.#filled === 0) return;
    const block = this.#block.subarray(0, this.#filled);
    this.#checksums.push(crc32(block));
    this.#write(block);
    this.#filled = 0;
  }

  #write(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    writeFully(this.#file, bytes, this.#written);
    this.#written += bytes.length;
  }
}

function writeFully(file: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length;)
    done += writeSync(file, bytes, done, bytes.length - done, position + done);
}
