import { checkOptions } from '../errors.ts';
import { GgufCursor } from './cursor.ts';
import {
  GGUF_ALIGNMENT,
  GGUF_MAGIC,
  type GgufEntry,
  type GgufHeader,
  type GgufMetadata,
  type GgufScalar,
  type GgufScalarType,
  type GgufTensorInfo,
  ggufValueBytes,
  ggufValueTypes,
} from './types.ts';

/*
 * The header of a GGUF file (ggml docs/gguf.md), read strictly: what the format forbids is refused
 * with field and value, and nothing is allocated for a number that the file cannot hold. Which
 * types tensors may have, and where they end, is the concern of readers of weights.
 */

const MOST_NAME_BYTES = 64;
const MOST_KEY_BYTES = 65_535;
/**
 * Smallest records: key length, key, type, value; name length, name, rank, one size, type, offset.
 */
const LEAST_KEY_BYTES = 8 + 1 + 4 + 1;
const LEAST_TENSOR_BYTES = 8 + 1 + 4 + 8 + 4 + 8;

export interface ReadGgufOptions {
  /** Bytes of the whole file where `bytes` may be its front only. Default: unknown. */
  readonly fileSize?: number;
}

export function isGguf(bytes: Uint8Array): boolean {
  return (
    bytes.length >= 4 && bytes[0] === 0x47 && bytes[1] === 0x47 && bytes[2] === 0x55 && bytes[3] === 0x46
  );
}

/** Reads the header from the front of a file. Throws `GgufCutError` when `bytes` end inside it. */
export function readGguf(bytes: Uint8Array, options: ReadGgufOptions = {}): GgufHeader {
  checkOptions('readGguf', options, ['fileSize']);
  const { fileSize = Infinity } = options;
  const cursor = new GgufCursor(bytes, fileSize);
  const magic = cursor.u32('magic');
  if (magic !== GGUF_MAGIC) cursor.refuse('magic', `0x${magic.toString(16)}`, 'is it a GGUF file?');
  const version = cursor.u32('version');
  if (version !== 2 && version !== 3)
    cursor.refuse('version', version, 'versions 2 and 3 are read; a huge number means big-endian');
  const tensorCount = cursor.count('tensor count', LEAST_TENSOR_BYTES);
  const keyCount = cursor.count('metadata count', LEAST_KEY_BYTES);
  const metadata = readMetadata(cursor, keyCount);
  checkByteTokens(cursor, metadata);
  const alignment = readAlignment(cursor, metadata);
  const tensors = readTensors(cursor, tensorCount, alignment);
  const dataStart = Math.ceil(cursor.at / alignment) * alignment;
  if (dataStart > fileSize && tensorCount > 0)
    cursor.refuse('tensor data', `begins at byte ${dataStart} of ${fileSize}`, 'the file is cut short');
  return { version, metadata, tensors, alignment, dataStart };
}

function readMetadata(cursor: GgufCursor, count: number): Map<string, GgufEntry> {
  const metadata = new Map<string, GgufEntry>();
  for (let i = 0; i < count; i++) {
    const key = cursor.text('a metadata key', MOST_KEY_BYTES);
    if (!/^[\x21-\x7e]+$/.test(key)) cursor.refuse('a metadata key', JSON.stringify(key.slice(0, 80)));
    if (metadata.has(key)) cursor.refuse(key, 'given twice');
    metadata.set(key, readEntry(cursor, key));
  }
  return metadata;
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
  const type = ggufValueTypes[cursor.u32(key)] ?? cursor.refuse(key, 'has a value type that GGUF has not');
  if (type !== 'array') return { type, value: cursor.scalar(key, type) };
  const of =
    ggufValueTypes[cursor.u32(key)] ?? cursor.refuse(key, 'is an array of a value type that GGUF has not');
  if (of === 'array')
    return cursor.refuse(key, 'is an array of arrays', 'no LLaMA file has one, and none is read');
  const length = cursor.count(key, ggufValueBytes[of]);
  if (isTyped(of)) {
    const bytes = cursor.bytes(key, length * ggufValueBytes[of]);
    return { type: 'array', of, value: new typedArrays[of](Uint8Array.from(bytes).buffer) };
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
  if (!entry) return GGUF_ALIGNMENT;
  const value = entry.type === 'u32' ? Number(entry.value) : NaN;
  if (!(value >= 8 && value <= 1 << 20 && Number.isInteger(Math.log2(value))))
    cursor.refuse(
      'general.alignment',
      `${String(entry.value).slice(0, 40)} (${entry.type})`,
      'it must be a u32 power of two from 8 to 1048576',
    );
  return value;
}

function readTensors(cursor: GgufCursor, count: number, alignment: number): GgufTensorInfo[] {
  const tensors: GgufTensorInfo[] = [];
  const names = new Set<string>();
  for (let i = 0; i < count; i++) {
    const tensor = readTensor(cursor, alignment);
    if (names.has(tensor.name)) cursor.refuse(`tensor ${JSON.stringify(tensor.name)}`, 'is there twice');
    names.add(tensor.name);
    tensors.push(tensor);
  }
  return tensors;
}

function readTensor(cursor: GgufCursor, alignment: number): GgufTensorInfo {
  const name = cursor.text('a tensor name', MOST_NAME_BYTES);
  const field = `tensor ${JSON.stringify(name)}`;
  const rank = cursor.u32(field);
  if (rank < 1 || rank > 4) cursor.refuse(field, `has ${rank} dimensions`, 'one to four are possible');
  const shape: number[] = [];
  for (let i = 0; i < rank; i++) shape.unshift(cursor.size(field));
  const elements = shape.reduce((product, extent) => product * extent, 1);
  if (elements === 0 || elements > Number.MAX_SAFE_INTEGER)
    cursor.refuse(field, `has shape [${shape.join(', ')}]`);
  const type = cursor.u32(field);
  const offset = cursor.size(field);
  if (offset % alignment !== 0)
    cursor.refuse(field, `has offset ${offset}`, `it must be a multiple of ${alignment}`);
  return { name, shape, type, offset };
}
