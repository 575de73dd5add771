import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fail, sizeOf } from '@cria/tensor';
import { PthFile } from '../meta/pth-file.ts';
import { type WeightDType, weightBytes } from '../dtypes.ts';
import { SafetensorsFile } from '../safetensors/reader.ts';
import { INDEX_FILE, openIndexed, openShards, SINGLE_FILE } from '../safetensors/sharded.ts';

/*
 * The weights of a folder of Hugging Face's: safetensors, or in older folders what `torch.save`
 * wrote. Where both are there they are the same weights, and safetensors is read.
 */

const TORCH_FILE = 'pytorch_model.bin';
const TORCH_INDEX = 'pytorch_model.bin.index.json';

/** A tensor under the name that the file gives it. */
export interface StoredTensor {
  readonly name: string;
  readonly dtype: WeightDType;
  readonly shape: readonly number[];
  /** First byte in the file; undefined where the tensor does not lie there in one piece. */
  readonly offset: number | undefined;
  readonly bytes: number;
  readonly read: (begin: number, end: number) => Promise<Uint8Array>;
}

export interface WeightFile {
  readonly path: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: readonly StoredTensor[];
}

export async function openWeightFiles(folder: string): Promise<WeightFile[]> {
  const at = (name: string) => join(folder, name);
  if (existsSync(at(SINGLE_FILE))) return [ofSafetensors(await SafetensorsFile.open(at(SINGLE_FILE)))];
  if (existsSync(at(INDEX_FILE))) return (await openShards(at(INDEX_FILE))).map(ofSafetensors);
  if (existsSync(at(TORCH_FILE))) return [ofPth(await PthFile.open(at(TORCH_FILE)))];
  if (existsSync(at(TORCH_INDEX))) {
    const files = await openIndexed('openCheckpoint', at(TORCH_INDEX), (path) => PthFile.open(path));
    return files.map(ofPth);
  }
  const others = (await readdir(folder)).filter((name) =>
    /\.(bin|pth|pt|gguf|h5|msgpack|safetensors)$/.test(name),
  );
  return fail(
    'openCheckpoint',
    `${folder} has none of ${SINGLE_FILE}, ${INDEX_FILE}, ${TORCH_FILE} and ${TORCH_INDEX}.`,
    others.length > 0
      ? `it holds ${others.slice(0, 5).join(', ')}; name one of them, or convert them to safetensors`
      : 'is it the folder of a model?',
  );
}

export function ofSafetensors(file: SafetensorsFile): WeightFile {
  const tensors = [...file.tensors.values()].map(({ name, dtype, shape, begin, end }) => ({
    name,
    dtype,
    shape,
    offset: file.dataStart + begin,
    bytes: end - begin,
    read: (from: number, to: number) => file.read(name, from, to),
  }));
  return { path: file.path, metadata: file.metadata, tensors };
}

export function ofPth(file: PthFile): WeightFile {
  const tensors = [...file.tensors.values()].map((tensor): StoredTensor => {
    const { name, dtype, shape, begin, rowBytes, strideBytes } = tensor;
    return {
      name,
      dtype,
      shape,
      offset: strideBytes === rowBytes ? begin : undefined,
      bytes: weightBytes(dtype, sizeOf(shape)) ?? 0,
      read: (from, to) => file.read(name, from, to),
    };
  });
  return { path: file.path, metadata: {}, tensors };
}
