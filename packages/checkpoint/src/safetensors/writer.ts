import { fail, sizeOf } from '@cria/tensor';
import { type Chunks, writeFileAtomic, type WrittenFile } from '@cria/files';
import { MAX_HEADER_BYTES } from './header.ts';
import { weightBytes } from '../dtypes.ts';
import { type StoredDType, storedPlace } from './dtypes.ts';

export interface TensorToWrite {
  readonly name: string;
  readonly dtype: StoredDType;
  readonly shape: readonly number[];
  /**
   * The bytes, row-major and little-endian, in pieces; asked for once, in the order of the file.
   */
  readonly chunks: () => Chunks;
}

/**
 * Order of tensors in a file, as the Rust writer has it: widest type first, then by the bytes of
 * the name.
 */
export function compareTensors(a: TensorToWrite, b: TensorToWrite): number {
  return (
    storedPlace(b.dtype).rank - storedPlace(a.dtype).rank ||
    Buffer.compare(Buffer.from(a.name), Buffer.from(b.name))
  );
}

/** Bytes of a tensor's data; throws where the shape does not fill whole bytes. */
export function tensorBytes(tensor: Pick<TensorToWrite, 'name' | 'dtype' | 'shape'>): number {
  const { name, dtype, shape } = tensor;
  return (
    weightBytes(dtype, sizeOf(shape)) ??
    fail('safetensors.write', `"${name}" ${dtype}[${shape.join(', ')}] has no whole number of bytes.`)
  );
}

/**
 * Writes a safetensors file as a stream, atomically. Equal tensors give equal bytes, those of the
 * Rust writer.
 */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<TensorToWrite>,
  options: {
    readonly metadata?: Readonly<Record<string, string>>;
    /** Whether the SHA-256 of the file is wanted. Default true. */
    readonly sha256?: boolean;
  } = {},
): Promise<WrittenFile> {
  const sorted = [...tensors].sort(compareTensors);
  const chunks = safetensorsChunks(path, sorted, options.metadata);
  return writeFileAtomic('safetensors.write', path, chunks, options.sha256 ?? true);
}

/** The bytes of a whole file; tensors in the order of `compareTensors`. */
export async function* safetensorsChunks(
  path: string,
  tensors: readonly TensorToWrite[],
  metadata?: Readonly<Record<string, string>>,
): AsyncGenerator<Uint8Array> {
  yield encodeHeader(path, tensors, metadata);
  for (const tensor of tensors) {
    const expected = tensorBytes(tensor);
    let bytes = 0;
    for await (const chunk of tensor.chunks()) {
      bytes += chunk.length;
      if (bytes > expected) break;
      yield chunk;
    }
    if (bytes !== expected) {
      fail(
        'safetensors.write',
        `${path}: "${tensor.name}" gave ${bytes > expected ? 'more than' : 'only'} ` +
          `${Math.min(bytes, expected)} of ${expected} bytes.`,
      );
    }
  }
}

/** Length, JSON, and spaces up to a multiple of eight. */
function encodeHeader(
  path: string,
  tensors: readonly TensorToWrite[],
  metadata?: Readonly<Record<string, string>>,
): Uint8Array {
  const fields: string[] = metadata ? [`"__metadata__":${JSON.stringify(metadata)}`] : [];
  const names = new Set<string>();
  let offset = 0;
  for (const tensor of tensors) {
    const { name, dtype, shape } = tensor;
    if (names.has(name) || name === '__metadata__')
      fail('safetensors.write', `${path}: the name "${name}" is taken.`);
    names.add(name);
    const end = offset + tensorBytes(tensor);
    const entry = { dtype: storedPlace(dtype).name, shape, data_offsets: [offset, end] };
    fields.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
    offset = end;
  }
  const json = Buffer.from(`{${fields.join(',')}}`);
  const length = Math.ceil(json.length / 8) * 8;
  if (length > MAX_HEADER_BYTES)
    fail('safetensors.write', `${path}: a header of ${length} bytes exceeds ${MAX_HEADER_BYTES}.`);
  const header = new Uint8Array(8 + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(json, 8);
  return header;
}
