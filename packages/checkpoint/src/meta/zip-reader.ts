import { crc32 } from 'node:zlib';
import { fail } from '@cria/tensor';
import type { RangeFile } from '../range-file.ts';

/*
 * The zip files that PyTorch writes: every entry stored as it is, zip64 where sizes need it
 * (APPNOTE.TXT 4.3). Anything else (compression, encryption, several disks, overlapping entries) is
 * refused.
 */

export interface ZipEntry {
  readonly name: string;
  /** First byte of the data in the file. */
  readonly begin: number;
  readonly bytes: number;
  readonly crc: number;
}

const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
const END_BYTES = 22;
const CENTRAL_BYTES = 46;
const LOCAL_BYTES = 30;
const MOST_DIRECTORY_BYTES = 16 << 20;

/**
 * All entries by name. Reads the directory at the end of the file and the local header of every
 * entry.
 */
export async function readZip(op: string, file: RangeFile): Promise<Map<string, ZipEntry>> {
  const refuse = (what: string): never =>
    fail(op, `${file.path}: ${what}.`, 'the file is damaged or no PyTorch file');
  const { entries: count, begin, bytes } = await findDirectory(op, file, refuse);
  if (bytes > MOST_DIRECTORY_BYTES || count * CENTRAL_BYTES > bytes)
    refuse(`the directory claims ${count} entries in ${bytes} bytes`);
  if (begin + bytes > file.size)
    refuse(`the directory lies at bytes ${begin} to ${begin + bytes} of ${file.size}`);
  const directory = Buffer.from(await file.read(op, begin, begin + bytes));
  const found: (ZipEntry & { readonly local: number })[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + CENTRAL_BYTES > bytes || directory.readUInt32LE(at) !== CENTRAL)
      refuse(`directory entry ${i} of ${count} is not where it should be`);
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((field) =>
      directory.readUInt16LE(at + field),
    );
    const end = at + CENTRAL_BYTES + (nameBytes ?? 0) + (extraBytes ?? 0) + (commentBytes ?? 0);
    if (end > bytes) refuse(`directory entry ${i} of ${count} is cut short`);
    found.push(readCentral(directory.subarray(at, end), nameBytes ?? 0, extraBytes ?? 0, refuse));
    at = end;
  }
  const entries = new Map<string, ZipEntry>();
  const sorted = found.sort((a, b) => a.local - b.local);
  let before = 0;
  for (const entry of sorted) {
    const placed = await place(op, file, entry, refuse);
    if (entry.local < before || placed.begin + placed.bytes > begin)
      refuse(`entry "${entry.name}" at byte ${entry.local} overlaps another or the directory`);
    if (entries.has(entry.name)) refuse(`entry "${entry.name}" is there twice`);
    entries.set(entry.name, placed);
    before = placed.begin + placed.bytes;
  }
  return entries;
}

/** All bytes of an entry, compared with its checksum. For small entries. */
export async function readZipEntry(op: string, file: RangeFile, entry: ZipEntry): Promise<Uint8Array> {
  const bytes = await file.read(op, entry.begin, entry.begin + entry.bytes);
  const crc = crc32(bytes);
  if (crc !== entry.crc)
    fail(
      op,
      `${file.path}: entry "${entry.name}" has crc32 ${hex(crc)}, the directory says ${hex(entry.crc)}.`,
      'the file is damaged',
    );
  return bytes;
}

type Refuse = (what: string) => never;

/** Where the directory is: the record at the end of the file, or the zip64 record it points to. */
async function findDirectory(op: string, file: RangeFile, refuse: Refuse) {
  if (file.size < END_BYTES) refuse(`${file.size} bytes are no zip file`);
  const tailStart = Math.max(0, file.size - END_BYTES - 65_535 - 20);
  const tail = Buffer.from(await file.read(op, tailStart, file.size));
  let at = tail.length - END_BYTES;
  while (
    at >= 0 &&
    !(tail.readUInt32LE(at) === END && at + END_BYTES + tail.readUInt16LE(at + 20) === tail.length)
  )
    at--;
  if (at < 0) refuse('there is no zip directory at its end');
  const end = {
    entries: tail.readUInt16LE(at + 10),
    bytes: tail.readUInt32LE(at + 12),
    begin: tail.readUInt32LE(at + 16),
  };
  if (tail.readUInt16LE(at + 4) !== 0) refuse('the zip is split over several disks');
  if (at < 20 || tail.readUInt32LE(at - 20) !== LOCATOR64) return end;
  const place = safe(tail.readBigUInt64LE(at - 20 + 8), refuse);
  if (place + 56 > file.size) refuse(`the zip64 record lies at byte ${place} of ${file.size}`);
  const record = Buffer.from(await file.read(op, place, place + 56));
  if (record.readUInt32LE(0) !== END64) refuse(`there is no zip64 record at byte ${place}`);
  return {
    entries: safe(record.readBigUInt64LE(32), refuse),
    bytes: safe(record.readBigUInt64LE(40), refuse),
    begin: safe(record.readBigUInt64LE(48), refuse),
  };
}

function readCentral(entry: Buffer, nameBytes: number, extraBytes: number, refuse: Refuse) {
  const name = entry.toString('utf8', CENTRAL_BYTES, CENTRAL_BYTES + nameBytes);
  const flags = entry.readUInt16LE(8);
  if ((flags & 0x2041) !== 0) refuse(`entry "${name}" is encrypted`);
  if (entry.readUInt16LE(10) !== 0)
    refuse(`entry "${name}" is compressed (method ${entry.readUInt16LE(10)})`);
  let stored = entry.readUInt32LE(20);
  let bytes = entry.readUInt32LE(24);
  let local = entry.readUInt32LE(42);
  const extra = entry.subarray(CENTRAL_BYTES + nameBytes, CENTRAL_BYTES + nameBytes + extraBytes);
  for (let at = 0; at + 4 <= extra.length;) {
    const size = extra.readUInt16LE(at + 2);
    if (extra.readUInt16LE(at) === 1) {
      let field = at + 4;
      const wide = () => {
        if (field + 8 > Math.min(extra.length, at + 4 + size))
          refuse(`the zip64 field of entry "${name}" is cut short`);
        field += 8;
        return safe(extra.readBigUInt64LE(field - 8), refuse);
      };
      if (bytes === 0xffffffff) bytes = wide();
      if (stored === 0xffffffff) stored = wide();
      if (local === 0xffffffff) local = wide();
    }
    at += 4 + size;
  }
  if (stored !== bytes) refuse(`entry "${name}" has ${bytes} bytes stored in ${stored}`);
  return { name, begin: 0, bytes, local, crc: entry.readUInt32LE(16) };
}

/**
 * Where the data begins: behind the local header, whose name and extra field have lengths of their
 * own.
 */
async function place(
  op: string,
  file: RangeFile,
  entry: ZipEntry & { local: number },
  refuse: Refuse,
): Promise<ZipEntry> {
  const { name, local, bytes, crc } = entry;
  if (local + LOCAL_BYTES > file.size) refuse(`entry "${name}" begins at byte ${local} of ${file.size}`);
  const header = Buffer.from(await file.read(op, local, local + LOCAL_BYTES));
  if (header.readUInt32LE(0) !== LOCAL) refuse(`entry "${name}" is not at byte ${local}`);
  const begin = local + LOCAL_BYTES + header.readUInt16LE(26) + header.readUInt16LE(28);
  if (begin + bytes > file.size)
    refuse(`entry "${name}" lies at bytes ${begin} to ${begin + bytes} of ${file.size}`);
  return { name, begin, bytes, crc };
}

function safe(value: bigint, refuse: Refuse): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) refuse(`the number ${value} is impossible`);
  return Number(value);
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0');
}
