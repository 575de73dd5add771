import { TokenizerError } from '../errors.ts';
import { decodeUtf8Strict } from '../bytes/utf8.ts';
import { type GgufScalar, type GgufScalarType, ggufValueBytes } from './types.ts';

const OP = 'readGguf';

/**
 * The bytes given end before the header does: a caller that read only the front of a file comes
 * back with more.
 */
export class GgufCutError extends TokenizerError {}

/**
 * Pieces of a vocabulary are mostly so short, and ASCII: then the decoder costs more than the text.
 */
const SHORT = 64;

/**
 * Reads little-endian values from the front of a file of `fileSize` bytes, of which `bytes` are
 * here.
 */
export class GgufCursor {
  at = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #fileSize: number;

  constructor(bytes: Uint8Array, fileSize: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#fileSize = fileSize;
  }

  /** Throws, naming the field and what is wrong with it. */
  refuse(field: string, what: string | number, hint = 'the file is damaged or no GGUF file'): never {
    throw new TokenizerError(OP, `${field}: ${what} (before byte ${this.at})`, hint);
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
    const bytes = this.bytes(field, length);
    if (length <= SHORT && isAscii(bytes))
      return String.fromCharCode.apply(null, bytes as unknown as number[]); // any array-like will do
    return decodeUtf8Strict(bytes) ?? this.refuse(field, `${length} bytes that are no UTF-8`);
  }

  /** Bytes as they are; a view. */
  bytes(field: string, length: number): Uint8Array {
    const at = this.#take(field, length);
    return this.#bytes.subarray(at, at + length);
  }

  scalar(field: string, type: GgufScalarType): GgufScalar {
    if (type === 'string') return this.text(field);
    const at = this.#take(field, ggufValueBytes[type]);
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
    if (at + length > this.#bytes.length) {
      const what = `${field}: the data ends at byte ${this.#bytes.length}, inside the header`;
      throw new GgufCutError(OP, what, 'read more of the front of the file');
    }
    this.at = at + length;
    return at;
  }
}

function isAscii(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] > 127) return false;
  return true;
}

function exactNumber(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
