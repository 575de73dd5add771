import { fail, sizeOf } from '@cria/tensor';
import { type WeightDType, weightBytes } from '../dtypes.ts';
import { GgufCursor } from './cursor.ts';
import {
  type GgufEntry,
  type GgufMetadata,
  type GgufScalar,
  type GgufScalarType,
  otherTypes,
  tensorTypes,
  valueBytes,
  valueTypes,
} from './types.ts';

/*
 * The header of a GGUF file (ggml docs/gguf.md), read strictly: what the format forbids is refused with file, field and value, and
 * nothing is allocated for a number that the file cannot hold.
 */

export interface GgufTensor {
  readonly name: string;
  readonly dtype: WeightDType;
  /** Row-major as everywhere here, slowest axis first: the reverse of the file's order. */
  readonly shape: readonly number[];
  /** First byte, from the start of the tensor data. */
  readonly offset: number;
  readonly bytes: number;
}

export interface GgufHeader {
  readonly version: number;
  readonly metadata: GgufMetadata;
  /** In the order of the file. */
  readonly tensors: readonly GgufTensor[];
  readonly alignment: number;
  /** Where tensor data begins in the file. */
  readonly dataStart: number;
}

const MAGIC = 0x46554747; // "GGUF"
const DEFAULT_ALIGNMENT = 32;
const MOST_NAME_BYTES = 64;
const MOST_KEY_BYTES = 65_535;
/** Smallest records: key length, key, type, value; name length, name, rank, one size, type, offset. */
const LEAST_KEY_BYTES = 8 + 1 + 4 + 1;
const LEAST_TENSOR_BYTES = 8 + 1 + 4 + 8 + 4 + 8;

/** Parses the front of a file; throws `GgufCutError` where `bytes` end before the header does. */
export function parseGgufHeader(op: string, file: string, bytes: Uint8Array, fileSize: number): GgufHeader {
  const cursor = new GgufCursor(op, file, bytes, fileSize);
  const magic = cursor.u32('magic');
  if (magic !== MAGIC) cursor.refuse('magic', `0x${magic.toString(16)}`, 'is it a GGUF file?');
  const version = cursor.u32('version');
  if (version !== 2 && version !== 3)
    cursor.refuse('version', version, 'versions 2 and 3 are read; a huge number means big-endian');
  const tensorCount = cursor.count('tensor count', LEAST_TENSOR_BYTES);
  const keyCount = cursor.count('metadata count', LEAST_KEY_BYTES);
  const metadata = new Map<string, GgufEntry>();
  for (let i = 0; i < keyCount; i++) {
    const key = cursor.text('a metadata key', MOST_KEY_BYTES);
    if (!/^[\x21-\x7e]+$/.test(key)) cursor.refuse('a metadata key', JSON.stringify(key.slice(0, 80)));
    if (metadata.has(key)) cursor.refuse(key, 'given twice');
    metadata.set(key, readEntry(cursor, key));
  }
  checkByteTokens(cursor, metadata);
  const alignment = readAlignment(cursor, metadata);
  const places: Omit<GgufTensor, 'bytes'>[] = [];
  for (let i = 0; i < tensorCount; i++) places.push(readTensor(cursor));
  const dataStart = Math.ceil(cursor.at / alignment) * alignment;
  if (dataStart > fileSize && tensorCount > 0)
    cursor.refuse('tensor data', `begins at byte ${dataStart} of ${fileSize}`, 'the file is cut short');
  const tensors = places.map((place) => placed(cursor, place, alignment, fileSize - dataStart));
  checkOverlap(cursor, tensors);
  return { version, metadata, tensors, alignment, dataStart };
}

/** Arrays of numbers that JavaScript has a type for. */
const typedArrays = {
  u8: Uint8Array,
  i8: Int8Array,
  u16: Uint16Array,
  i16: Int16Array,
  u32: Uint32Array,
  i32: Int32Array,
  f32: Float32Array,
  f64: Float64Array,
} as const;

function readEntry(cursor: GgufCursor, key: string): GgufEntry {
  const type = valueTypes[cursor.u32(key)] ?? cursor.refuse(key, 'has a value type that GGUF has not');
  if (type !== 'array') return { type, value: cursor.scalar(key, type) };
  const of =
    valueTypes[cursor.u32(key)] ?? cursor.refuse(key, 'is an array of a value type that GGUF has not');
  if (of === 'array')
    return cursor.refuse(key, 'is an array of arrays', 'no LLaMA file has one, and none is read');
  const length = cursor.count(key, valueBytes[of]);
  if (isTyped(of)) {
    const value = new typedArrays[of](length);
    new Uint8Array(value.buffer).set(cursor.bytes(key, value.byteLength));
    return { type: 'array', of, value };
  }
  const value: GgufScalar[] = [];
  for (let i = 0; i < length; i++) value.push(cursor.scalar(key, of));
  return { type: 'array', of, value };
}

function isTyped(type: GgufScalarType): type is keyof typeof typedArrays {
  return Object.hasOwn(typedArrays, type);
}

/** Pieces of type 6 are bytes, spelt `<0x0A>`. */
function checkByteTokens(cursor: GgufCursor, metadata: GgufMetadata): void {
  const tokens = metadata.get('tokenizer.ggml.tokens');
  const types = metadata.get('tokenizer.ggml.token_type');
  if (tokens?.type !== 'array' || types?.type !== 'array') return;
  for (let id = 0; id < tokens.value.length; id++) {
    if (types.value[id] === 6 && !/^<0x[0-9A-F]{2}>$/.test(String(tokens.value[id])))
      cursor.refuse(`token ${id}`, `${JSON.stringify(tokens.value[id])} is marked as a byte`);
  }
}

function readAlignment(cursor: GgufCursor, metadata: GgufMetadata): number {
  const entry = metadata.get('general.alignment');
  if (!entry) return DEFAULT_ALIGNMENT;
  const value = entry.type === 'u32' ? Number(entry.value) : NaN;
  if (!(value >= 8 && value <= 1 << 20 && Number.isInteger(Math.log2(value))))
    cursor.refuse(
      'general.alignment',
      `${String(entry.value).slice(0, 40)} (${entry.type})`,
      'it must be a u32 power of two from 8 to 1048576',
    );
  return value;
}

function readTensor(cursor: GgufCursor): Omit<GgufTensor, 'bytes'> {
  const name = cursor.text('a tensor name', MOST_NAME_BYTES);
  const field = `tensor ${JSON.stringify(name)}`;
  const rank = cursor.u32(field);
  if (rank < 1 || rank > 4) cursor.refuse(field, `has ${rank} dimensions`, 'one to four are possible');
  const shape: number[] = [];
  for (let i = 0; i < rank; i++) shape.unshift(cursor.size(field));
  if (shape.some((extent) => extent === 0) || !(sizeOf(shape) <= Number.MAX_SAFE_INTEGER))
    cursor.refuse(field, `has shape [${shape.join(', ')}]`);
  const type = cursor.u32(field);
  const other = otherTypes.get(type);
  const dtype =
    tensorTypes.get(type) ??
    cursor.refuse(
      field,
      `has type ${type}${other === undefined ? ', which ggml has not' : ` (${other}), which is not read`}`,
    );
  return { name, dtype, shape, offset: cursor.size(field) };
}

function placed(
  cursor: GgufCursor,
  tensor: Omit<GgufTensor, 'bytes'>,
  alignment: number,
  dataBytes: number,
): GgufTensor {
  const { name, dtype, shape, offset } = tensor;
  const field = `tensor ${JSON.stringify(name)}`;
  const columns = shape.at(-1) ?? 1;
  const rowBytes = weightBytes(dtype, columns);
  if (rowBytes === undefined)
    return cursor.refuse(field, `has rows of ${columns}, no whole blocks of ${dtype}`);
  const bytes = rowBytes * (sizeOf(shape) / columns);
  if (offset % alignment !== 0)
    cursor.refuse(field, `has offset ${offset}`, `it must be a multiple of ${alignment}`);
  if (!Number.isSafeInteger(bytes) || offset + bytes > dataBytes) {
    const hint = 'the file is cut short or damaged';
    cursor.refuse(
      field,
      `lies at bytes ${offset} to ${offset + bytes} of ${Math.max(0, dataBytes)} of data`,
      hint,
    );
  }
  return { ...tensor, bytes };
}

function checkOverlap(cursor: GgufCursor, tensors: readonly GgufTensor[]): void {
  const names = new Set<string>();
  for (const { name } of tensors) {
    if (names.has(name)) cursor.refuse(`tensor ${JSON.stringify(name)}`, 'is there twice');
    names.add(name);
  }
  const sorted = [...tensors].sort((a, b) => a.offset - b.offset);
  sorted.forEach((tensor, i) => {
    const before = sorted[i - 1];
    if (before && before.offset + before.bytes > tensor.offset)
      cursor.refuse(
        `tensor ${JSON.stringify(tensor.name)}`,
        `at byte ${tensor.offset} overlaps ${JSON.stringify(before.name)}, which ends at ${before.offset + before.bytes}`,
      );
  });
}

/** A value by key; undefined where it is absent, refused where it has another type. */
export function entryValue(
  op: string,
  file: string,
  metadata: GgufMetadata,
  key: string,
  kind: 'number' | 'string' | 'boolean',
): GgufScalar | undefined {
  const entry = metadata.get(key);
  if (!entry) return undefined;
  if (entry.type === 'array' || typeof entry.value !== kind)
    fail(op, `${file}: ${key} is ${entry.type}.`, `it must be a ${kind}`);
  return entry.value;
}
