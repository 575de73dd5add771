/** The header of a GGUF v2/v3 file (ggml docs/gguf.md): metadata and tensor places, read and written. Little-endian. */
import { failure } from './errors.ts';
import { decodeUtf8, encodeUtf8 } from './utf8.ts';

export const GGUF_TYPES = [
  'u8',
  'i8',
  'u16',
  'i16',
  'u32',
  'i32',
  'f32',
  'bool',
  'string',
  'array',
  'u64',
  'i64',
  'f64',
] as const;
export type GgufType = (typeof GGUF_TYPES)[number];

export type GgufArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | GgufValue[];
/** 64-bit integers beyond 2^53 are bigint. */
export type GgufValue = number | bigint | boolean | string | GgufArray;

export interface GgufTensorInfo {
  readonly name: string;
  /** Fastest dimension first, as in the file: the reverse of PyTorch's. */
  readonly dims: readonly number[];
  /** ggml type number. */
  readonly type: number;
  /** Bytes from `dataOffset`. */
  readonly offset: number;
}

export interface GgufHeader {
  readonly version: number;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: readonly GgufTensorInfo[];
  readonly alignment: number;
  /** Where tensor data begins in the file. */
  readonly dataOffset: number;
}

/** The bytes end before the header does: a caller that read only the front of a file can come back with more. */
export class GgufCutError extends Error {}

const OP = 'readGguf';
const MAGIC = 0x46554747; // "GGUF"
const MAX_NESTING = 4;
const HINT = 'the file is damaged or no GGUF file';

export function isGguf(bytes: Uint8Array): boolean {
  return (
    bytes.length >= 4 && bytes[0] === 0x47 && bytes[1] === 0x47 && bytes[2] === 0x55 && bytes[3] === 0x46
  );
}

/** Reads the header from the front of a file. Throws `GgufCutError` when `bytes` end inside it, an `Error` when they make no sense. */
export function readGguf(bytes: Uint8Array): GgufHeader {
  const cursor = new Cursor(bytes);
  if (cursor.u32() !== MAGIC) throw failure(OP, 'the magic is not GGUF', HINT);
  const version = cursor.u32();
  if (version !== 2 && version !== 3)
    throw failure(OP, `version ${version}`, 'versions 2 and 3 are read; a huge number means big-endian');
  const tensorCount = cursor.count(24);
  const keyCount = cursor.count(13);
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < keyCount; i++) {
    const key = cursor.string(65535);
    if (metadata.has(key)) throw failure(OP, `the key '${key}' occurs twice`, HINT);
    metadata.set(key, cursor.value(cursor.u32(), 0));
  }
  const alignment = Number(metadata.get('general.alignment') ?? 32);
  if (!(alignment >= 1 && alignment <= 1 << 20 && Number.isInteger(alignment)))
    throw failure(OP, `alignment ${alignment}`, HINT);
  const tensors: GgufTensorInfo[] = [];
  for (let i = 0; i < tensorCount; i++) {
    const name = cursor.string(1024);
    const rank = cursor.u32();
    if (rank > 8) throw failure(OP, `tensor '${name}' has ${rank} dimensions`, HINT);
    const dims = Array.from({ length: rank }, () => cursor.size());
    tensors.push({ name, dims, type: cursor.u32(), offset: cursor.size() });
  }
  return { version, metadata, tensors, alignment, dataOffset: Math.ceil(cursor.at / alignment) * alignment };
}

class Cursor {
  at = 0;
  private readonly bytes: Uint8Array;
  private readonly view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u32(): number {
    return this.view.getUint32(this.take(4), true);
  }

  u64(): number | bigint {
    const at = this.take(8);
    const high = this.view.getUint32(at + 4, true);
    return high < 0x200000
      ? high * 2 ** 32 + this.view.getUint32(at, true)
      : this.view.getBigUint64(at, true);
  }

  /** A 64-bit number that must fit a double. */
  size(): number {
    const value = this.u64();
    if (typeof value === 'bigint')
      throw failure(OP, `the number ${value} before byte ${this.at} is impossible`, HINT);
    return value;
  }

  /** A number of items of at least `bytesEach`: more than any file holds is damage, more than is left a cut. */
  count(bytesEach: number): number {
    const value = this.size();
    if (value > 1e8) throw failure(OP, `${value} items are claimed before byte ${this.at}`, HINT);
    if (value * bytesEach > this.bytes.length - this.at && bytesEach < 13) this.cut();
    return value;
  }

  string(limit = 1 << 28): string {
    const length = this.size();
    if (length > limit) throw failure(OP, `a text of ${length} bytes at byte ${this.at}`, HINT);
    const at = this.take(length);
    return decodeUtf8(this.bytes.subarray(at, at + length));
  }

  value(type: number, nesting: number): GgufValue {
    const { view } = this;
    switch (GGUF_TYPES[type]) {
      case 'u8':
        return view.getUint8(this.take(1));
      case 'i8':
        return view.getInt8(this.take(1));
      case 'u16':
        return view.getUint16(this.take(2), true);
      case 'i16':
        return view.getInt16(this.take(2), true);
      case 'u32':
        return this.u32();
      case 'i32':
        return view.getInt32(this.take(4), true);
      case 'f32':
        return view.getFloat32(this.take(4), true);
      case 'f64':
        return view.getFloat64(this.take(8), true);
      case 'u64':
        return this.u64();
      case 'i64': {
        const value = view.getBigInt64(this.take(8), true);
        return Number.isSafeInteger(Number(value)) ? Number(value) : value;
      }
      case 'bool': {
        const value = view.getUint8(this.take(1));
        if (value > 1) throw failure(OP, `a bool of value ${value} before byte ${this.at}`, HINT);
        return value === 1;
      }
      case 'string':
        return this.string();
      case 'array':
        return this.array(nesting + 1);
      case undefined:
        throw failure(OP, `value type ${type} before byte ${this.at}`, HINT);
    }
  }

  private array(nesting: number): GgufArray {
    if (nesting > MAX_NESTING) throw failure(OP, 'arrays are nested too deeply', HINT);
    const type = this.u32();
    const name = GGUF_TYPES[type];
    if (name === undefined) throw failure(OP, `array element type ${type} before byte ${this.at}`, HINT);
    const width = name === 'string' ? 8 : name === 'array' ? 12 : (WIDTHS[name] ?? 1);
    const n = this.count(width);
    const Typed = TYPED[name];
    if (Typed !== undefined) {
      const at = this.take(n * width);
      return new Typed(this.bytes.slice(at, at + n * width).buffer);
    }
    return Array.from({ length: n }, () => this.value(type, nesting));
  }

  private take(length: number): number {
    const at = this.at;
    if (length > this.bytes.length - at) this.cut();
    this.at = at + length;
    return at;
  }

  private cut(): never {
    throw new GgufCutError(
      `[${OP}] the data ends at byte ${this.bytes.length}, inside the header. hint: the file is cut short, or more of its front must be read`,
    );
  }
}

const WIDTHS: Partial<Record<GgufType, number>> = {
  u8: 1,
  i8: 1,
  bool: 1,
  u16: 2,
  i16: 2,
  u32: 4,
  i32: 4,
  f32: 4,
  u64: 8,
  i64: 8,
  f64: 8,
};
const TYPED: Partial<Record<GgufType, new (buffer: ArrayBuffer) => GgufArray>> = {
  u8: Uint8Array,
  i8: Int8Array,
  u16: Uint16Array,
  i16: Int16Array,
  u32: Uint32Array,
  i32: Int32Array,
  f32: Float32Array,
  f64: Float64Array,
};

/** A metadata value with the type it is written as. `of`: the element type of an array. */
export type GgufEntry =
  | { readonly type: Exclude<GgufType, 'array'>; readonly value: number | bigint | boolean | string }
  | {
      readonly type: 'array';
      readonly of: Exclude<GgufType, 'array'>;
      readonly value: ArrayLike<number | bigint | boolean | string>;
    };

/** The header with its padding: tensor data follows. Offsets of tensors are the caller's. */
export function writeGgufHeader(
  metadata: ReadonlyMap<string, GgufEntry>,
  tensors: readonly GgufTensorInfo[] = [],
): Uint8Array {
  const sink = new Sink();
  sink.scalar('u32', MAGIC);
  sink.scalar('u32', 3);
  sink.scalar('u64', tensors.length);
  sink.scalar('u64', metadata.size);
  for (const [key, entry] of metadata) {
    sink.scalar('string', key);
    sink.scalar('u32', GGUF_TYPES.indexOf(entry.type));
    if (entry.type !== 'array') {
      sink.scalar(entry.type, entry.value);
      continue;
    }
    sink.scalar('u32', GGUF_TYPES.indexOf(entry.of));
    sink.scalar('u64', entry.value.length);
    for (let i = 0; i < entry.value.length; i++) sink.scalar(entry.of, entry.value[i]);
  }
  for (const { name, dims, type, offset } of tensors) {
    sink.scalar('string', name);
    sink.scalar('u32', dims.length);
    for (const dim of dims) sink.scalar('u64', dim);
    sink.scalar('u32', type);
    sink.scalar('u64', offset);
  }
  const alignment = metadata.get('general.alignment');
  sink.pad(alignment === undefined ? 32 : Number(alignment.value));
  return sink.finish();
}

class Sink {
  private bytes = new Uint8Array(1 << 12);
  private view = new DataView(this.bytes.buffer);
  private length = 0;

  scalar(type: Exclude<GgufType, 'array'>, value: number | bigint | boolean | string): void {
    if (type === 'string') {
      const text = encodeUtf8(String(value));
      this.scalar('u64', text.length);
      const start = this.take(text.length); // may replace `bytes`
      this.bytes.set(text, start);
      return;
    }
    const at = this.take(WIDTHS[type] ?? 1);
    const { view } = this;
    const number = Number(value);
    if (type === 'u64') view.setBigUint64(at, BigInt(value), true);
    else if (type === 'i64') view.setBigInt64(at, BigInt(value), true);
    else if (type === 'f64') view.setFloat64(at, number, true);
    else if (type === 'f32') view.setFloat32(at, number, true);
    else if (type === 'u32' || type === 'i32') view.setUint32(at, number, true);
    else if (type === 'u16' || type === 'i16') view.setUint16(at, number, true);
    else view.setUint8(at, number);
  }

  pad(alignment: number): void {
    this.take((alignment - (this.length % alignment)) % alignment);
  }

  finish(): Uint8Array {
    return this.bytes.slice(0, this.length);
  }

  private take(count: number): number {
    const at = this.length;
    if (at + count > this.bytes.length) {
      const grown = new Uint8Array(Math.max(at + count, this.bytes.length * 2));
      grown.set(this.bytes);
      this.bytes = grown;
      this.view = new DataView(grown.buffer);
    }
    this.length = at + count;
    return at;
  }
}
