import { appendFileSync, closeSync, openSync } from 'node:fs';
import { join } from 'node:path';

/*
 * TensorBoard event files: TFRecords (length, masked CRC-32C of the length, data, masked CRC-32C of
 * the data) of Event messages (1 wall_time double, 2 step int64, 3 file_version string, 5 summary {
 * 1 value { 1 tag, 2 simple_value float } }).
 */

/** Appends scalars to one event file; readers may watch it while it grows. */
export class TensorBoardWriter {
  #file: number;

  /** Opens a new event file in `folder`, which must exist; `seconds` is Unix time. */
  constructor(folder: string, seconds: number) {
    const name = `events.out.tfevents.${Math.floor(seconds).toString().padStart(10, '0')}.cria`;
    this.#file = openSync(join(folder, name), 'a');
    this.#append(Buffer.concat([doubleField(1, seconds), bytesField(3, Buffer.from('brain.Event:2'))]));
  }

  scalars(step: number, seconds: number, values: Readonly<Record<string, number>>): void {
    const summary = Object.entries(values).map(([tag, value]) =>
      bytesField(1, Buffer.concat([bytesField(1, Buffer.from(tag)), floatField(2, value)])),
    );
    this.#append(
      Buffer.concat([doubleField(1, seconds), varintField(2, step), bytesField(5, Buffer.concat(summary))]),
    );
  }

  close(): void {
    closeSync(this.#file);
  }

  #append(event: Buffer): void {
    appendFileSync(this.#file, tfRecord(event));
  }
}

/** One record of a TFRecord file. */
export function tfRecord(data: Uint8Array): Buffer {
  const record = Buffer.alloc(16 + data.length);
  record.writeBigUInt64LE(BigInt(data.length), 0);
  record.writeUInt32LE(maskedCrc(record.subarray(0, 8)), 8);
  record.set(data, 12);
  record.writeUInt32LE(maskedCrc(data), 12 + data.length);
  return record;
}

/** CRC-32C of every byte, for the polynomial of Castagnoli in its reflected form. */
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc >>> 0;
});

/** CRC-32C (Castagnoli). */
export function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = table[(crc ^ byte) & 255]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/**
 * TFRecords rotate a checksum and add a constant, since data that holds its own checksum would
 * check badly.
 */
function maskedCrc(data: Uint8Array): number {
  const crc = crc32c(data);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/**
 * Seven bits a byte, the lowest first; division instead of shifts, since steps may exceed 32 bits.
 */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) + 128);
  return Buffer.from([...bytes, value]);
}

/** Field of wire type 0. */
function varintField(field: number, value: number): Buffer {
  return Buffer.concat([varint(field * 8), varint(value)]);
}

/** Field of wire type 2: length and bytes. */
function bytesField(field: number, bytes: Buffer): Buffer {
  return Buffer.concat([varint(field * 8 + 2), varint(bytes.length), bytes]);
}

/** Field of wire type 1: eight bytes. */
function doubleField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(9);
  bytes[0] = field * 8 + 1;
  bytes.writeDoubleLE(value, 1);
  return bytes;
}

/** Field of wire type 5: four bytes. */
function floatField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(5);
  bytes[0] = field * 8 + 5;
  bytes.writeFloatLE(value, 1);
  return bytes;
}
