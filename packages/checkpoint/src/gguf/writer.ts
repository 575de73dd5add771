import { fail, sizeOf } from '@cria/tensor';
import { type Chunks, writeFileAtomic, type WrittenFile } from '../atomic.ts';
import { ChunksAhead } from '../chunks-ahead.ts';
import { type WeightDType, weightBytes } from '../dtypes.ts';
import {
  type GgufEntry,
  type GgufMetadata,
  type GgufScalar,
  type GgufScalarType,
  tensorTypeNumber,
  valueBytes,
  valueTypes,
} from './types.ts';

export interface GgufTensorToWrite {
  readonly name: string;
  readonly dtype: WeightDType;
  /** Slowest axis first. */
  readonly shape: readonly number[];
  /** The bytes in pieces; asked for once, in the order of the file. */
  readonly chunks: () => Chunks;
}

const op = 'gguf.write';

/** Writes a GGUF v3 file as a stream, atomically. Equal arguments give equal bytes. */
export async function writeGguf(
  path: string,
  metadata: GgufMetadata,
  tensors: readonly GgufTensorToWrite[],
): Promise<WrittenFile> {
  return writeFileAtomic(op, path, ggufChunks(path, metadata, tensors), false);
}

/** The bytes of a whole file: header, tensors in the order given, zeros up to the alignment after each. */
export async function* ggufChunks(
  path: string,
  metadata: GgufMetadata,
  tensors: readonly GgufTensorToWrite[],
): AsyncGenerator<Uint8Array> {
  const alignment = Number(metadata.get('general.alignment')?.value ?? 32);
  yield encodeHeader(path, metadata, tensors, alignment);
  const ahead = new ChunksAhead(tensors.map(({ chunks }) => chunks));
  try {
    for (const tensor of tensors) {
      const expected = ggufBytes(tensor);
      let bytes = 0;
      for await (const chunk of ahead.take()) {
        bytes += chunk.length;
        yield chunk;
      }
      if (bytes !== expected) fail(op, `${path}: "${tensor.name}" gave ${bytes} of ${expected} bytes.`);
      const padding = padTo(bytes, alignment);
      if (padding > 0) yield new Uint8Array(padding);
    }
  } finally {
    await ahead.close();
  }
}

/** Bytes of a tensor; throws where its rows fill no whole blocks. */
export function ggufBytes({
  name,
  dtype,
  shape,
}: Pick<GgufTensorToWrite, 'name' | 'dtype' | 'shape'>): number {
  const columns = shape.at(-1) ?? 1;
  const rowBytes = weightBytes(dtype, columns);
  if (rowBytes === undefined || tensorTypeNumber(dtype) === undefined)
    return fail(op, `"${name}" cannot be ${dtype}[${shape.join(', ')}].`);
  return rowBytes * (sizeOf(shape) / Math.max(1, columns));
}

function encodeHeader(
  path: string,
  metadata: GgufMetadata,
  tensors: readonly GgufTensorToWrite[],
  alignment: number,
): Uint8Array {
  const sink = new Sink();
  sink.put('u32', 0x46554747);
  sink.put('u32', 3);
  sink.put('u64', tensors.length);
  sink.put('u64', metadata.size);
  for (const [key, entry] of metadata) putEntry(sink, key, entry);
  const names = new Set<string>();
  let offset = 0;
  for (const tensor of tensors) {
    const { name, dtype, shape } = tensor;
    if (names.has(name) || Buffer.byteLength(name) > 64 || shape.length < 1 || shape.length > 4)
      fail(op, `${path}: "${name}" [${shape.join(', ')}] cannot be written, or is there twice.`);
    names.add(name);
    sink.put('string', name);
    sink.put('u32', shape.length);
    for (const extent of [...shape].reverse()) sink.put('u64', extent);
    sink.put('u32', tensorTypeNumber(dtype) ?? -1);
    sink.put('u64', offset);
    const bytes = ggufBytes(tensor);
    offset += bytes + padTo(bytes, alignment);
  }
  return sink.finish(alignment);
}

function putEntry(sink: Sink, key: string, entry: GgufEntry): void {
  sink.put('string', key);
  sink.put('u32', valueTypes.indexOf(entry.type));
  if (entry.type !== 'array') return sink.put(entry.type, entry.value);
  sink.put('u32', valueTypes.indexOf(entry.of));
  sink.put('u64', entry.value.length);
  for (let i = 0; i < entry.value.length; i++) sink.put(entry.of, entry.value[i] ?? 0);
}

function padTo(bytes: number, alignment: number): number {
  return (alignment - (bytes % alignment)) % alignment;
}

/** Little-endian values one after the other. */
class Sink {
  #bytes = Buffer.alloc(1 << 16);
  #length = 0;

  put(type: GgufScalarType, value: GgufScalar): void {
    if (type === 'string') {
      const text = Buffer.from(String(value));
      this.put('u64', text.length);
      const at = this.#take(text.length);
      this.#bytes.set(text, at);
      return;
    }
    const at = this.#take(valueBytes[type]);
    const number = Number(value);
    const bytes = this.#bytes;
    if (type === 'u64') bytes.writeBigUInt64LE(BigInt(value), at);
    else if (type === 'i64') bytes.writeBigInt64LE(BigInt(value), at);
    else if (type === 'f64') bytes.writeDoubleLE(number, at);
    else if (type === 'f32') bytes.writeFloatLE(number, at);
    else if (type === 'u32') bytes.writeUInt32LE(number, at);
    else if (type === 'i32') bytes.writeInt32LE(number, at);
    else if (type === 'u16') bytes.writeUInt16LE(number, at);
    else if (type === 'i16') bytes.writeInt16LE(number, at);
    else if (type === 'i8') bytes.writeInt8(number, at);
    else bytes.writeUInt8(number, at);
  }

  finish(alignment: number): Uint8Array {
    this.#take(padTo(this.#length, alignment));
    return this.#bytes.subarray(0, this.#length);
  }

  #take(count: number): number {
    const at = this.#length;
    if (at + count > this.#bytes.length) {
      const grown = Buffer.alloc(Math.max(at + count, 2 * this.#bytes.length));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#length = at + count;
    return at;
  }
}
