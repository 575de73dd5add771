import { fail, sizeOf } from '@cria/tensor';
import { GGUF_ALIGNMENT, type GgufMetadata, writeGgufHeader } from '@cria/tokenizer';
import { type Chunks, writeFileAtomic, type WrittenFile } from '@cria/files';
import { ChunksAhead } from '../chunks-ahead.ts';
import { type WeightDType, weightBytes } from '../dtypes.ts';
import { tensorTypeNumber } from './tensor-types.ts';

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

/**
 * The bytes of a whole file: header, tensors in the order given, zeros up to the alignment after
 * each.
 */
export async function* ggufChunks(
  path: string,
  metadata: GgufMetadata,
  tensors: readonly GgufTensorToWrite[],
): AsyncGenerator<Uint8Array> {
  const alignment = Number(metadata.get('general.alignment')?.value ?? GGUF_ALIGNMENT);
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
  const names = new Set<string>();
  let offset = 0;
  const places = tensors.map((tensor) => {
    const { name, dtype, shape } = tensor;
    if (names.has(name) || Buffer.byteLength(name) > 64 || shape.length < 1 || shape.length > 4)
      fail(op, `${path}: "${name}" [${shape.join(', ')}] cannot be written, or is there twice.`);
    names.add(name);
    const place = { name, shape, type: tensorTypeNumber(dtype) ?? -1, offset };
    const bytes = ggufBytes(tensor);
    offset += bytes + padTo(bytes, alignment);
    return place;
  });
  return writeGgufHeader(metadata, places);
}

function padTo(bytes: number, alignment: number): number {
  return (alignment - (bytes % alignment)) % alignment;
}
