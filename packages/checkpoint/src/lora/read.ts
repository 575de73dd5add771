import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { LlamaConfig } from '@cria/layers';
import { fail } from '@cria/tensor';
import type { TensorInfo } from '../checkpoint.ts';
import { bytesOf, decodeNumbers } from '../convert.ts';
import { isNumeric } from '../dtypes.ts';
import { ofPth, ofSafetensors, type StoredTensor, type WeightFile } from '../huggingface/weight-files.ts';
import { readJson } from '../json-file.ts';
import { PthFile } from '../meta/pth-file.ts';
import { fromHuggingFaceName, isRotated } from '../names.ts';
import { toAdjacent } from '../row-order.ts';
import { SafetensorsFile } from '../safetensors/reader.ts';
import {
  CONFIG_FILE,
  type LoraAdapter,
  type LoraFactors,
  loraScale,
  TORCH_WEIGHTS_FILE,
  WEIGHTS_FILE,
} from './adapter.ts';
import { type LoraSettings, parseLoraSettings } from './settings.ts';

const op = 'lora';

/**
 * Reads an adapter for a model of this configuration. Kinds of adapters that would need other
 * mathematics are refused by name.
 */
export async function readLora(folder: string, config: LlamaConfig): Promise<LoraAdapter> {
  const path = join(folder, CONFIG_FILE);
  const settings = parseLoraSettings(path, await readJson(op, path));
  const file = await openWeights(folder);
  const halves = new Map<string, Map<'A' | 'B', StoredTensor>>();
  const saved = new Map<string, TensorInfo>();
  for (const tensor of file.tensors) {
    const [, stored = '', half = ''] =
      /^base_model\.model\.(.+)\.lora_([AB])(?:\.default)?\.weight$/.exec(tensor.name) ?? [];
    if (half === '') saved.set(...savedWeight(file, tensor, settings, config));
    else halves.set(stored, (halves.get(stored) ?? new Map()).set(half as 'A' | 'B', tensor));
  }
  const factors = new Map<string, LoraFactors>();
  for (const [module, pair] of halves)
    factors.set(canonicalName(file, module), await readFactors(file, module, pair, settings, config));
  if (factors.size === 0 && saved.size === 0) fail(op, `${file.path} holds no LoRA matrices.`);
  const { rank, alpha, dropout, rankStabilized, base } = settings;
  return { rank, alpha, dropout, rankStabilized, base, factors, saved };
}

/** Of the file that peft writes, or of the one that it wrote before. */
async function openWeights(folder: string): Promise<WeightFile> {
  if (existsSync(join(folder, WEIGHTS_FILE)))
    return ofSafetensors(await SafetensorsFile.open(join(folder, WEIGHTS_FILE)));
  if (existsSync(join(folder, TORCH_WEIGHTS_FILE)))
    return ofPth(await PthFile.open(join(folder, TORCH_WEIGHTS_FILE)));
  return fail(op, `${folder} has neither ${WEIGHTS_FILE} nor ${TORCH_WEIGHTS_FILE}.`);
}

function canonicalName(file: WeightFile, module: string): string {
  return (
    fromHuggingFaceName(`${module}.weight`) ?? fail(op, `${file.path}: "${module}" is no module of a LLaMA.`)
  );
}

async function readFactors(
  file: WeightFile,
  module: string,
  pair: ReadonlyMap<'A' | 'B', StoredTensor>,
  settings: LoraSettings,
  { headDim }: LlamaConfig,
): Promise<LoraFactors> {
  const [a, b] = [pair.get('A'), pair.get('B')];
  const shapes = `[${a?.shape.join(', ') ?? 'missing'}] and [${b?.shape.join(', ') ?? 'missing'}]`;
  const rank = a?.shape[0] ?? 0;
  if (!a || !b || a.shape.length !== 2 || b.shape.length !== 2 || b.shape[1] !== rank)
    return fail(op, `${file.path}: A and B of ${module} are ${shapes}.`);
  if (rank !== settings.rankOf(module))
    fail(
      op,
      `${file.path}: A and B of ${module} are ${shapes}, but their rank is said to be ${settings.rankOf(module)}.`,
      `r and rank_pattern in ${CONFIG_FILE} must fit the matrices`,
    );
  const rows = b.shape[0] ?? 0;
  const rotated = isRotated(canonicalName(file, module));
  if (rotated && rows % headDim !== 0)
    fail(op, `${file.path}: B of ${module} has ${rows} rows, no heads of ${headDim}.`);
  const stored = await readNumbers(file, b);
  const ordered = rotated ? toAdjacent(bytesOf(stored), 4 * rank, headDim) : bytesOf(stored);
  return {
    a: await readNumbers(file, a),
    b: decodeNumbers(ordered, 'f32') as Float32Array,
    rank,
    scale: loraScale(settings.alphaOf(module), rank, settings.rankStabilized),
  };
}

async function readNumbers(
  file: WeightFile,
  { name, dtype, shape, bytes, read }: StoredTensor,
): Promise<Float32Array> {
  if (!isNumeric(dtype))
    fail(op, `${file.path}: "${name}" ${dtype}[${shape.join(', ')}] is no LoRA matrix of a LLaMA.`);
  return new Float32Array(decodeNumbers(await read(0, bytes), dtype));
}

/**
 * A weight that the adapter holds as a whole: of a module that its settings name, or embeddings and
 * output matrix, which peft also saves when they are adapted or the vocabulary has grown.
 */
function savedWeight(
  file: WeightFile,
  { name: storedName, dtype, shape, offset, bytes, read }: StoredTensor,
  { modulesToSave }: LoraSettings,
  { headDim }: LlamaConfig,
): [string, TensorInfo] {
  const [, module = ''] = /^base_model\.model\.(.+?)(?:\.base_layer)?\.weight$/.exec(storedName) ?? [];
  const name = fromHuggingFaceName(`${module}.weight`);
  const named = modulesToSave.some((each) => module === each || module.endsWith(`.${each}`));
  const always = name === 'tok_embeddings.weight' || name === 'output.weight';
  if (name === undefined || !isNumeric(dtype) || !(named || always))
    fail(
      op,
      `${file.path}: "${storedName}" ${dtype}[${shape.join(', ')}] is no LoRA matrix of a LLaMA.`,
      named ? undefined : `nor do modules_to_save of ${CONFIG_FILE} name it`,
    );
  const weight = {
    name,
    storedName,
    file: file.path,
    offset,
    dtype,
    shape,
    bytes,
    halfSplit: isRotated(name) ? headDim : undefined,
    readBytes: read,
  };
  return [name, weight];
}
