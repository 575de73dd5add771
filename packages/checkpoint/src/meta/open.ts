import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fail, sizeOf } from '@cria/tensor';
import type { Checkpoint, TensorInfo } from '../checkpoint.ts';
import { biasesOf } from '../families.ts';
import { readJson } from '../json-file.ts';
import { isRotaryTable, withoutWrappers } from '../names.ts';
import { weightBytes } from '../dtypes.ts';
import { makeCheckpoint } from '../stored-checkpoint.ts';
import { parseMetaParams } from './params.ts';
import { PthFile } from './pth-file.ts';
import type { PthTensor } from './pth-tensor.ts';
import { mergedShape, readMerged, rowsOf, shardAxis } from './shards.ts';

export const PARAMS_FILE = 'params.json';
const op = 'openCheckpoint';

/** `consolidated.00.pth`, … */
export function consolidatedName(rank: number): string {
  return `consolidated.${String(rank).padStart(2, '0')}.pth`;
}

export function isMetaFolder(folder: string): boolean {
  return existsSync(join(folder, consolidatedName(0)));
}

/**
 * A folder of Meta's: `params.json` and one file for each model-parallel rank, seen as one model.
 */
export async function openMetaFolder(folder: string): Promise<Checkpoint> {
  const names = (await readdir(folder)).filter((name) => /^consolidated\.\d+\.pth$/.test(name)).sort();
  names.forEach((name, rank) => {
    if (name !== consolidatedName(rank))
      fail(
        op,
        `${folder} has ${name} where ${consolidatedName(rank)} should be.`,
        'a file of the checkpoint is missing',
      );
  });
  return openMetaFiles(folder, names);
}

/** The files named of a folder with `params.json`, one a model-parallel rank. */
export async function openMetaFiles(folder: string, names: readonly string[]): Promise<Checkpoint> {
  const files: PthFile[] = [];
  for (const name of names) files.push(await PthFile.open(join(folder, name)));
  const [first] = files;
  if (!first) return fail(op, `${folder} has no ${consolidatedName(0)}.`);
  const json = await readJson(op, join(folder, PARAMS_FILE));
  const weights = new Map<string, TensorInfo>();
  const embeddingAxis = embeddingAxisOf(files, json);
  for (const tensor of first.tensors.values()) {
    if (isRotaryTable(tensor.name)) continue;
    const weight = merge(files, tensor, embeddingAxis);
    weights.set(weight.name, weight);
  }
  for (const file of files) {
    for (const name of file.tensors.keys())
      if (!first.tensors.has(name)) fail(op, `${file.path} has "${name}", ${first.path} has not.`);
  }
  const vocabSize = weights.get('tok_embeddings.weight')?.shape[0];
  const ffnDim = weights.get('layers.0.feed_forward.w1.weight')?.shape[0];
  if (vocabSize === undefined || ffnDim === undefined)
    return fail(
      op,
      `${folder} has no tok_embeddings.weight or no layers.0.feed_forward.w1.weight.`,
      'is it a LLaMA?',
    );
  const biases = biasesOf((name) => weights.has(name));
  const facts = { vocabSize, ffnDim, biases, hasOutput: weights.has('output.weight') };
  const config = parseMetaParams(join(folder, PARAMS_FILE), json, facts);
  const metadata = new Map(Object.entries(json as object));
  return makeCheckpoint(
    'meta',
    folder,
    config,
    { bos: undefined, eos: [], pad: undefined },
    weights,
    metadata,
  );
}

/** By rows where a part has the model's width already, else by columns. */
function embeddingAxisOf(files: readonly PthFile[], json: unknown): 0 | 1 {
  const embedding = [...(files[0]?.tensors.values() ?? [])].find(
    ({ name }) => withoutWrappers(name) === 'tok_embeddings.weight',
  );
  const part = embedding?.shape;
  const params = (json ?? {}) as { dim?: unknown; model?: { dim?: unknown } };
  return part?.[1] === (params.model?.dim ?? params.dim) ? 0 : 1;
}

function merge(files: readonly PthFile[], tensor: PthTensor, embeddingAxis: 0 | 1): TensorInfo {
  const { name: storedName, dtype } = tensor;
  const name = withoutWrappers(storedName);
  const parts = files.map((file) => {
    const part = file.tensors.get(storedName);
    if (part?.shape.join() !== tensor.shape.join() || part.dtype !== dtype)
      return fail(
        op,
        `${file.path}: "${name}" is ${part ? `${part.dtype}[${part.shape.join(', ')}]` : 'missing'}, ` +
          `in ${files[0]?.path} ${dtype}[${tensor.shape.join(', ')}].`,
      );
    return part;
  });
  const axis = shardAxis(name, embeddingAxis);
  const count = axis === undefined ? 1 : parts.length;
  const shape = mergedShape(tensor.shape, axis, count);
  const contiguous = tensor.strideBytes === tensor.rowBytes;
  const read = (part: number, begin: number, end: number) => {
    const file = files[part] ?? fail(op, `there is no part ${part} of "${name}".`);
    return file.read(storedName, begin, end);
  };
  const whole = { axis: axis ?? 0, count, rows: rowsOf(tensor.shape), rowBytes: tensor.rowBytes, read };
  return {
    name,
    storedName,
    file: files[0]?.path ?? '',
    offset: count === 1 && contiguous ? tensor.begin : undefined,
    dtype,
    shape,
    bytes: weightBytes(dtype, sizeOf(shape)) ?? 0,
    halfSplit: undefined,
    readBytes: (begin, end) => readMerged(whole, begin, end),
  };
}
