/*
 * A shard: tokens of whole documents end to end, and where each document starts. All little-endian.
 *
 *   0  "CRIATOKS"          16  u64 tokens       36  i32 BOS id (−1: none)    112  u32 CRC-32 of the checksum table
 *   8  u32 version         24  u64 documents    40  i32 EOS id               116  zero
 *  12  u32 bytes a token   32  u32 vocabulary   44  u32 bytes a block        124  u32 CRC-32 of bytes 0 to 124
 *                                               48  tokenizer fingerprint, 64 bytes of ASCII, zero-padded
 *
 * 128  tokens (u16 or u32), zeros up to a multiple of 4
 *      documents × u32: index of the first token of each
 *      checksum table: a CRC-32 for each block of 64 KiB of the tokens and document starts before it
 *
 * Every byte is under a checksum, and a reader checks the blocks it touches, so a damaged shard is
 * refused without reading all of it.
 */
import { fail } from '@cria/tensor';
import { crc32 } from 'node:zlib';

export const SHARD_HEADER_BYTES = 128;
export const BLOCK_BYTES = 65536;
const MAGIC = 'CRIATOKS';
const VERSION = 1;
/** Document starts are 32 bits. */
export const MAX_SHARD_TOKENS = 2 ** 32 - 1;

export interface ShardHeader {
  readonly tokenBytes: 2 | 4;
  readonly tokens: number;
  readonly documents: number;
  readonly vocabSize: number;
  readonly bosId: number | undefined;
  readonly eosId: number | undefined;
  readonly tokenizerFingerprint: string;
  /** CRC-32 of the checksum table. */
  readonly tableChecksum: number;
}

/** Bytes of tokens, padding and document starts. */
export function payloadBytes({ tokens, tokenBytes, documents }: ShardHeader): number {
  return Math.ceil((tokens * tokenBytes) / 4) * 4 + 4 * documents;
}

export function blockCount(header: ShardHeader): number {
  return Math.ceil(payloadBytes(header) / BLOCK_BYTES);
}

export function shardBytes(header: ShardHeader): number {
  return SHARD_HEADER_BYTES + payloadBytes(header) + 4 * blockCount(header);
}

export function encodeShardHeader(header: ShardHeader): Uint8Array {
  const bytes = Buffer.alloc(SHARD_HEADER_BYTES);
  bytes.write(MAGIC, 'latin1');
  bytes.writeUInt32LE(VERSION, 8);
  bytes.writeUInt32LE(header.tokenBytes, 12);
  bytes.writeBigUInt64LE(BigInt(header.tokens), 16);
  bytes.writeBigUInt64LE(BigInt(header.documents), 24);
  bytes.writeUInt32LE(header.vocabSize, 32);
  bytes.writeInt32LE(header.bosId ?? -1, 36);
  bytes.writeInt32LE(header.eosId ?? -1, 40);
  bytes.writeUInt32LE(BLOCK_BYTES, 44);
  bytes.write(header.tokenizerFingerprint, 48, 64, 'latin1');
  bytes.writeUInt32LE(header.tableChecksum, 112);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 124)), 124);
  return bytes;
}

/** Checks a header and that the file has exactly the size it implies. */
export function parseShardHeader(path: string, bytes: Buffer, fileBytes: number): ShardHeader {
  const op = 'openShard';
  if (bytes.length < SHARD_HEADER_BYTES || bytes.toString('latin1', 0, 8) !== MAGIC) {
    fail(op, `${path} (${fileBytes} bytes) is not a token shard.`, 'prepare the data again');
  }
  const version = bytes.readUInt32LE(8);
  if (version !== VERSION)
    fail(op, `${path} has version ${version}, this program reads ${VERSION}.`, 'prepare the data again');
  const [stored, computed] = [bytes.readUInt32LE(124), crc32(bytes.subarray(0, 124))];
  if (stored !== computed)
    fail(
      op,
      `the header of ${path} has checksum ${hex(computed)}, it states ${hex(stored)}.`,
      'the file is damaged; prepare the data again',
    );
  const id = (at: number) => (bytes.readInt32LE(at) < 0 ? undefined : bytes.readInt32LE(at));
  const header: ShardHeader = {
    tokenBytes: bytes.readUInt32LE(12) === 2 ? 2 : 4,
    tokens: Number(bytes.readBigUInt64LE(16)),
    documents: Number(bytes.readBigUInt64LE(24)),
    vocabSize: bytes.readUInt32LE(32),
    bosId: id(36),
    eosId: id(40),
    tokenizerFingerprint: bytes.toString('latin1', 48, 112).replace(/\0+$/, ''),
    tableChecksum: bytes.readUInt32LE(112),
  };
  if (shardBytes(header) !== fileBytes) {
    fail(
      op,
      `${path} has ${fileBytes} bytes, its header says ${shardBytes(header)}.`,
      'the file is truncated or damaged; prepare the data again',
    );
  }
  return header;
}

export function hex(checksum: number): string {
  return checksum.toString(16).padStart(8, '0');
}
