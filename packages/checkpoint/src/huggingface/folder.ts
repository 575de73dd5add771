import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { LlamaConfig } from '@cria/layers';
import { checkOptions, type ComputeDType, fail, floatDTypes, type ParameterSpace } from '@cria/tensor';
import { explain, writeFileAtomic } from '@cria/files';
import type { Checkpoint, CheckpointFormat, SpecialIds, TensorInfo } from '../checkpoint.ts';
import { isFloat, weightBytes } from '../dtypes.ts';
import { encodeJson, readJson } from '../json-file.ts';
import { PthFile } from '../meta/pth-file.ts';
import { isRotaryTable, isRotated, readHuggingFaceName, toHuggingFaceName } from '../names.ts';
import { SafetensorsFile } from '../safetensors/reader.ts';
import { writeModelFiles } from '../safetensors/sharded.ts';
import type { TensorToWrite } from '../safetensors/writer.ts';
import { makeCheckpoint } from '../stored-checkpoint.ts';
import { weightChunks } from '../weights.ts';
import { type HuggingFaceConfig, parseHuggingFaceConfig, toHuggingFaceConfig } from './config.ts';
import { withGenerationConfig } from './generation-config.ts';
import { ofPth, ofSafetensors, openWeightFiles, type WeightFile } from './weight-files.ts';

/**
 * A folder with `config.json` and weights: `model.safetensors`, `pytorch_model.bin`, or an index of
 * either with shards.
 */
export async function openHuggingFaceFolder(
  folder: string,
  format: CheckpointFormat = 'huggingface',
): Promise<Checkpoint> {
  const configuration = await readConfig(join(folder, 'config.json'));
  return makeHuggingFace(format, folder, configuration, await openWeightFiles(folder));
}

/** One safetensors file, with the `config.json` beside it. */
export async function openSafetensorsModel(path: string): Promise<Checkpoint> {
  const file = ofSafetensors(await SafetensorsFile.open(path));
  return makeHuggingFace('safetensors', path, await readConfig(join(dirname(path), 'config.json')), [file]);
}

/** One file of `torch.save`, with the `config.json` beside it. */
export async function openTorchModel(path: string): Promise<Checkpoint> {
  const file = ofPth(await PthFile.open(path));
  return makeHuggingFace('huggingface', path, await readConfig(join(dirname(path), 'config.json')), [file]);
}

/** A `config.json`, and what `generation_config.json` beside it adds. */
export async function readConfig(path: string): Promise<HuggingFaceConfig> {
  const { config, specialIds } = parseHuggingFaceConfig(await readJson('openCheckpoint', path), path);
  return { config, specialIds: await withGenerationConfig(dirname(path), specialIds) };
}

function makeHuggingFace(
  format: CheckpointFormat,
  path: string,
  { config, specialIds }: HuggingFaceConfig,
  files: readonly WeightFile[],
): Checkpoint {
  const weights = new Map<string, TensorInfo>();
  for (const file of files) {
    for (const { name: storedName, dtype, shape, offset, bytes, read } of file.tensors) {
      if (isRotaryTable(storedName)) continue;
      const mapped = readHuggingFaceName(storedName);
      const name = mapped ?? storedName;
      const other = weights.get(name);
      if (other)
        fail(
          'openCheckpoint',
          `${file.path}: "${storedName}" is ${name}, and so is "${other.storedName}" in ${other.file}.`,
        );
      // Names of our own kind are in Meta's files, with Meta's order of rows.
      const halfSplit = mapped && isRotated(name) ? config.headDim : undefined;
      const axes = name.endsWith('.bias') ? 1 : 2;
      if (halfSplit !== undefined && (shape.length !== axes || (shape[0] ?? 0) % halfSplit !== 0)) {
        fail(
          'openCheckpoint',
          `${file.path}: "${storedName}" has shape [${shape.join(', ')}], no rows of heads of ${halfSplit}.`,
          'check head_dim in config.json',
        );
      }
      weights.set(name, {
        name,
        storedName,
        file: file.path,
        offset,
        dtype,
        shape,
        bytes,
        halfSplit,
        readBytes: read,
      });
    }
  }
  const metadata = new Map(files.flatMap((file) => Object.entries(file.metadata)));
  return makeCheckpoint(format, path, config, specialIds, weights, metadata);
}

export interface SaveHuggingFaceOptions {
  /** Type in the file. Default: that of the parameters. */
  readonly dtype?: ComputeDType;
  /** Split the weights into files of at most so many bytes. Default: one file. */
  readonly maxShardBytes?: number;
  readonly specialIds?: Partial<SpecialIds>;
}

/**
 * Writes a folder that transformers, llama.cpp's converter and others load: `config.json`, and
 * weights with Hugging Face's names and row order. The folder is made if need be; each file is
 * replaced as a whole.
 */
export async function saveHuggingFace(
  folder: string,
  config: LlamaConfig,
  parameters: ParameterSpace,
  options: SaveHuggingFaceOptions = {},
): Promise<void> {
  const op = 'saveHuggingFace';
  checkOptions(op, options, ['dtype', 'maxShardBytes', 'specialIds']);
  const { maxShardBytes, specialIds = {} } = options;
  const dtype = fileDType(op, parameters, options.dtype);
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw explain(op, `cannot make ${folder}`, error);
  }
  await writeModelFiles(
    folder,
    [...huggingFaceTensors(config, parameters, dtype), ...zeroBiases(config, dtype)],
    maxShardBytes === undefined ? {} : { maxShardBytes },
  );
  await writeFileAtomic(op, join(folder, 'config.json'), [
    encodeJson(toHuggingFaceConfig(config, { dtype, specialIds })),
  ]);
}

/** The type that weights get in a file: the wished one, or that of the parameters' masters. */
export function fileDType(op: string, parameters: ParameterSpace, wished?: ComputeDType): ComputeDType {
  if (wished !== undefined) {
    if (!floatDTypes.includes(wished))
      fail(op, `dtype is ${JSON.stringify(wished)}.`, `give one of ${floatDTypes.join(', ')}`);
    return wished;
  }
  const { dtype } = parameters.masterMemory;
  return isFloat(dtype) ? dtype : fail(op, `parameters of ${dtype} cannot be saved.`);
}

/**
 * Biases that transformers wants beside those of query, key and value: zeros, in files that only
 * have those.
 */
export function zeroBiases(config: LlamaConfig, dtype: ComputeDType): TensorToWrite[] {
  if (config.attentionBias !== 'qkv') return [];
  const shape = [config.dim];
  return Array.from({ length: config.nLayers }, (_, i) => ({
    name: toHuggingFaceName(`layers.${i}.attention.wo.bias`) ?? '',
    dtype,
    shape,
    chunks: () => [new Uint8Array(weightBytes(dtype, config.dim) ?? 0)],
  }));
}

/** Every parameter as a tensor of a Hugging Face file. */
export function huggingFaceTensors(
  config: LlamaConfig,
  parameters: ParameterSpace,
  dtype: ComputeDType,
): TensorToWrite[] {
  return parameters.parameters.map((parameter) => {
    const name = toHuggingFaceName(parameter.name);
    const { part } = parameter;
    if (part)
      fail(
        'saveHuggingFace',
        `${parameter.name} is a part of [${part.of.join(', ')}].`,
        'load it whole first',
      );
    if (name === undefined) fail('saveHuggingFace', `"${parameter.name}" is no parameter of a LLaMA.`);
    const halfSplit = isRotated(parameter.name) ? config.headDim : undefined;
    return {
      name,
      dtype,
      shape: parameter.shape,
      chunks: () => weightChunks(parameter.name, parameters.master(parameter), dtype, halfSplit),
    };
  });
}
