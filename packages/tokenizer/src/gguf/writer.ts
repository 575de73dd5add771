import { encodeUtf8 } from '../bytes/utf8.ts';
import {
  GGUF_ALIGNMENT,
  GGUF_MAGIC,
  type GgufEntry,
  type GgufMetadata,
  type GgufScalar,
  type GgufScalarType,
  type GgufTensorInfo,
  ggufValueBytes,
  ggufValueTypes,
} from './types.ts';

/**
 * The header of a GGUF v3 file with its padding: tensor data follows. Offsets and names of tensors
 * are the caller's.
 */
export function writeGgufHeader(metadata: GgufMetadata, tensors: readonly GgufTensorInfo[] = []): Uint8Array {
  const sink = new Sink();
  sink.put('u32', GGUF_MAGIC);
  sink.put('u32', 3);
  sink.put('u64', tensors.length);
  sink.put('u64', metadata.size);
  for (const [key, entry] of metadata) putEntry(sink, key, entry);
  for (const { name, shape, type, offset } of tensors) {
    sink.put('string', name);
    sink.put('u32', shape.length);
    for (const extent of [...shape].reverse()) sink.put('u64', extent);
    sink.put('u32', type);
    sink.put('u64', offset);
  }
  return sink.finish(Number(metadata.get('general.alignment')?.value ?? GGUF_ALIGNMENT));
}

function putEntry(sink: Sink, key: string, entry: GgufEntry): void {
  sink.put('string', key);
  sink.put('u32', ggufValueTypes.indexOf(entry.type));
  if (entry.type !== 'array') return sink.put(entry.type, entry.value);
  sink.put('u32', ggufValueTypes.indexOf(entry.of));
  sink.put('u64', entry.value.length);
  for (let i = 0; i < entry.value.length; i++) sink.put(entry.of, entry.value[i]);
}

/** Little-endian values one after the other. */
class Sink {
  #bytes = new Uint8Array(1 << 16);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  put(type: GgufScalarType, value: GgufScalar): void {
    if (type === 'string') return this.#putText(String(value));
    const at = this.#take(ggufValueBytes[type]);
    const view = this.#view;
    const number = Number(value);
    if (type === 'u64') view.setBigUint64(at, BigInt(value), true);
    else if (type === 'i64') view.setBigInt64(at, BigInt(value), true);
    else if (type === 'f64') view.setFloat64(at, number, true);
    else if (type === 'f32') view.setFloat32(at, number, true);
    else if (type === 'u32' || type === 'i32') view.setUint32(at, number, true);
    else if (type === 'u16' || type === 'i16') view.setUint16(at, number, true);
    else view.setUint8(at, number);
  }

  finish(alignment: number): Uint8Array {
    this.#take((alignment - (this.#length % alignment)) % alignment);
    return this.#bytes.slice(0, this.#length);
  }

  #putText(value: string): void {
    const text = encodeUtf8(value);
    this.put('u64', text.length);
    const start = this.#take(text.length); // may replace the bytes
    this.#bytes.set(text, start);
  }

  #take(count: number): number {
    const at = this.#length;
    if (at + count > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(at + count, this.#bytes.length * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#length = at + count;
    return at;
  }
}
