import { crc32 } from 'node:zlib';
import { fail } from '@cria/tensor';
import type { Chunks } from '@cria/files';

export interface ZipFile {
  readonly name: string;
  readonly bytes: number;
  readonly chunks: () => Chunks;
}

const FOUR_GB = 0xffffffff;
/**
 * Data descriptor behind the data (bit 3): the checksum is known only then. Names are UTF-8 (bit
 * 11). PyTorch's files have both.
 */
const FLAGS = 0x0808;
/** PyTorch aligns data, so that it can be mapped. */
const ALIGNMENT = 64;
const EPOCH = 0x21; // 1 January 1980: equal weights give equal bytes

/** The bytes of a zip file with every entry stored as it is, its data at a multiple of 64. */
export async function* zipChunks(
  op: string,
  path: string,
  files: readonly ZipFile[],
): AsyncGenerator<Uint8Array> {
  const directory: Buffer[] = [];
  let at = 0;
  for (const { name, bytes, chunks } of files) {
    const local = at;
    const header = localHeader(name, bytes, at);
    yield header;
    at += header.length;
    let crc = 0;
    let written = 0;
    for await (const chunk of chunks()) {
      crc = crc32(chunk, crc);
      written += chunk.length;
      yield chunk;
    }
    if (written !== bytes) fail(op, `${path}: "${name}" gave ${written} of ${bytes} bytes.`);
    const descriptor = dataDescriptor(crc, bytes);
    yield descriptor;
    at += bytes + descriptor.length;
    directory.push(centralHeader(name, bytes, crc, local));
  }
  const central = Buffer.concat(directory);
  yield central;
  yield endRecords(files.length, central.length, at);
}

function localHeader(name: string, bytes: number, at: number): Buffer {
  const encoded = Buffer.from(name);
  const wide = bytes >= FOUR_GB;
  const fixed = 30 + encoded.length + (wide ? 20 : 0) + 4;
  const padding = (ALIGNMENT - ((at + fixed) % ALIGNMENT)) % ALIGNMENT;
  const header = Buffer.alloc(fixed + padding);
  header.writeUInt32LE(0x04034b50, 0);
  putCommon(header, 4, wide);
  if (wide) header.fill(0xff, 18, 26);
  header.writeUInt16LE(encoded.length, 26);
  header.writeUInt16LE(header.length - 30 - encoded.length, 28);
  encoded.copy(header, 30);
  let extra = 30 + encoded.length;
  if (wide) {
    header.writeUInt16LE(1, extra);
    header.writeUInt16LE(16, extra + 2);
    header.writeBigUInt64LE(BigInt(bytes), extra + 4);
    header.writeBigUInt64LE(BigInt(bytes), extra + 12);
    extra += 20;
  }
  header.write('FB', extra, 'latin1'); // the field PyTorch pads with
  header.writeUInt16LE(padding, extra + 2);
  return header.fill('Z', extra + 4);
}

/** Version, flags, method (stored), date. */
function putCommon(header: Buffer, at: number, wide: boolean): void {
  header.writeUInt16LE(wide ? 45 : 20, at);
  header.writeUInt16LE(FLAGS, at + 2);
  header.writeUInt16LE(EPOCH, at + 8);
}

function dataDescriptor(crc: number, bytes: number): Buffer {
  const wide = bytes >= FOUR_GB;
  const record = Buffer.alloc(wide ? 24 : 16);
  record.writeUInt32LE(0x08074b50, 0);
  record.writeUInt32LE(crc, 4);
  if (wide) {
    record.writeBigUInt64LE(BigInt(bytes), 8);
    record.writeBigUInt64LE(BigInt(bytes), 16);
  } else {
    record.writeUInt32LE(bytes, 8);
    record.writeUInt32LE(bytes, 12);
  }
  return record;
}

function centralHeader(name: string, bytes: number, crc: number, local: number): Buffer {
  const encoded = Buffer.from(name);
  const wide = [...(bytes >= FOUR_GB ? [bytes, bytes] : []), ...(local >= FOUR_GB ? [local] : [])];
  const extraBytes = wide.length > 0 ? 4 + 8 * wide.length : 0;
  const header = Buffer.alloc(46 + encoded.length + extraBytes);
  header.writeUInt32LE(0x02014b50, 0);
  header.writeUInt16LE(45, 4);
  putCommon(header, 6, wide.length > 0);
  header.writeUInt32LE(crc, 16);
  header.writeUInt32LE(Math.min(bytes, FOUR_GB), 20);
  header.writeUInt32LE(Math.min(bytes, FOUR_GB), 24);
  header.writeUInt16LE(encoded.length, 28);
  header.writeUInt16LE(extraBytes, 30);
  header.writeUInt32LE(Math.min(local, FOUR_GB), 42);
  encoded.copy(header, 46);
  if (extraBytes > 0) {
    const extra = 46 + encoded.length;
    header.writeUInt16LE(1, extra);
    header.writeUInt16LE(8 * wide.length, extra + 2);
    wide.forEach((value, i) => header.writeBigUInt64LE(BigInt(value), extra + 4 + 8 * i));
  }
  return header;
}

function endRecords(entries: number, bytes: number, begin: number): Buffer {
  const wide = begin >= FOUR_GB || entries >= 0xffff;
  const records = Buffer.alloc((wide ? 56 + 20 : 0) + 22);
  let at = 0;
  if (wide) {
    records.writeUInt32LE(0x06064b50, 0);
    records.writeBigUInt64LE(44n, 4);
    records.writeUInt16LE(45, 12);
    records.writeUInt16LE(45, 14);
    records.writeBigUInt64LE(BigInt(entries), 24);
    records.writeBigUInt64LE(BigInt(entries), 32);
    records.writeBigUInt64LE(BigInt(bytes), 40);
    records.writeBigUInt64LE(BigInt(begin), 48);
    records.writeUInt32LE(0x07064b50, 56);
    records.writeBigUInt64LE(BigInt(begin + bytes), 64);
    records.writeUInt32LE(1, 72);
    at = 76;
  }
  records.writeUInt32LE(0x06054b50, at);
  records.writeUInt16LE(Math.min(entries, 0xffff), at + 8);
  records.writeUInt16LE(Math.min(entries, 0xffff), at + 10);
  records.writeUInt32LE(bytes, at + 12);
  records.writeUInt32LE(Math.min(begin, FOUR_GB), at + 16);
  return records;
}
