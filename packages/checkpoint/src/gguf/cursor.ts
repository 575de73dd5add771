import { fail } from '@cria/tensor';
import { type GgufScalar, type GgufScalarType, valueBytes } from './types.ts';

/** The bytes given end before the header does: a caller that read only the front of a file comes back with more. */
export class GgufCutError extends Error {}

/** Pieces of a vocabulary are mostly so short, and ASCII: then the decoder costs more than the text. */
const SHORT = 64;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Reads little-endian values from the front of a file of `fileSize` bytes, of which `bytes` are here. */
export class GgufCursor {
  at = 0;
  readonly #op: string;
  readonly #file: string;
  readonly #bytes: Uint8Array;
  readonly #buffer: Buffer;
  readonly #view: DataView;
  readonly #fileSize: number;

  constructor(op: string, file: string, bytes: Uint8Array, fileSize: number) {
    this.#op = op;
    this.#file = file;
    this.#bytes = bytes;
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#fileSize = fileSize;
  }

  /** Throws, naming file, field and what is wrong with it. */
  refuse(field: string, what: string | number, hint = 'the file is damaged or no GGUF file'): never {
    return fail(this.#op, `${this.#file}: ${field}: ${what} (before byte ${this.at}).`, hint);
  }

  u32(field: string): number {
    return this.#view.getUint32(this.#take(field, 4), true);
  }

  /** A 64-bit number that a double holds exactly. */
  size(field: string): number {
    const at = this.#take(field, 8);
    const value = this.#view.getUint32(at, true) + 2 ** 32 * this.#view.getUint32(at + 4, true);
    if (value > Number.MAX_SAFE_INTEGER)
      this.refuse(field, `the number ${this.#view.getBigUint64(at, true)} is impossible`);
    return value;
  }

  /** A number of records of at least `bytesEach`, no more than the rest of the file can hold. */
  count(field: string, bytesEach: number): number {
    const value = this.size(field);
    const room = Math.floor((this.#fileSize - this.at) / bytesEach);
    if (value > room) this.refuse(field, `${value} records, but the file has room for ${room}`);
    return value;
  }

  text(field: string, most = Infinity): string {
    const length = this.size(field);
    if (length > Math.min(most, this.#fileSize - this.at)) this.refuse(field, `a text of ${length} bytes`);
    const at = this.#take(field, length);
    if (length <= SHORT && isAscii(this.#bytes, at, length))
      return this.#buffer.toString('latin1', at, at + length);
    try {
      return utf8.decode(this.#bytes.subarray(at, at + length));
    } catch {
      return this.refuse(field, `${length} bytes that are no UTF-8`);
    }
  }

  /** Bytes as they are; a view. */
  bytes(field: string, length: number): Uint8Array {
    const at = this.#take(field, length);
    return this.#bytes.subarray(at, at + length);
  }

  scalar(field: string, type: GgufScalarType): GgufScalar {
    if (type === 'string') return this.text(field);
    const at = this.#take(field, valueBytes[type]);
    const view = this.#view;
    switch (type) {
      case 'u8':
        return view.getUint8(at);
      case 'i8':
        return view.getInt8(at);
      case 'u16':
        return view.getUint16(at, true);
      case 'i16':
        return view.getInt16(at, true);
      case 'u32':
        return view.getUint32(at, true);
      case 'i32':
        return view.getInt32(at, true);
      case 'f32':
        return view.getFloat32(at, true);
      case 'f64':
        return view.getFloat64(at, true);
      case 'u64':
        return exactNumber(view.getBigUint64(at, true));
      case 'i64':
        return exactNumber(view.getBigInt64(at, true));
      case 'bool': {
        const value = view.getUint8(at);
        if (value > 1) this.refuse(field, `a bool of value ${value}`);
        return value === 1;
      }
    }
  }

  #take(field: string, length: number): number {
    const at = this.at;
    if (at + length > this.#fileSize)
      this.refuse(field, `the file of ${this.#fileSize} bytes ends inside it`, 'the file is cut short');
    if (at + length > this.#bytes.length) throw new GgufCutError();
    this.at = at + length;
    return at;
  }
}

function isAscii(bytes: Uint8Array, at: number, length: number): boolean {
  for (let i = at; i < at + length; i++) if ((bytes[i] ?? 0) > 127) return false;
  return true;
}

function exactNumber(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
