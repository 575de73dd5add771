import { fail } from '@cria/tensor';
import { toHuggingFaceConfig } from '../huggingface/config.ts';
import { zeroBiases } from '../huggingface/folder.ts';
import { GENERATION_FILE, generationConfig } from '../huggingface/generation-config.ts';
import { encodeJson } from '../json-file.ts';
import { isRotated, toHuggingFaceName } from '../names.ts';
import { INDEX_FILE, SINGLE_FILE } from '../safetensors/sharded.ts';
import { compareTensors, safetensorsChunks, tensorBytes, type TensorToWrite } from '../safetensors/writer.ts';
import { type Conversion, weightsInOrder } from './conversion.ts';
import type { OutputFile } from './output.ts';

/**
 * `config.json`, `generation_config.json`, one file of weights or several with an index, and the
 * vocabulary.
 */
export async function planHuggingFace(conversion: Conversion): Promise<OutputFile[]> {
  const { source, options } = conversion;
  const { config, specialIds } = source;
  const tensors = weightsInOrder(conversion).map((weight): TensorToWrite => {
    const dtype = conversion.floatDType(weight);
    const halfSplit = isRotated(weight.name) ? config.headDim : undefined;
    const name =
      toHuggingFaceName(weight.name) ?? fail(conversion.op, `"${weight.name}" is no parameter of a LLaMA.`);
    const { shape } = weight;
    return { name, dtype, shape, chunks: () => conversion.chunks(weight, { dtype, halfSplit }) };
  });
  const embedding = source.tensors.get('tok_embeddings.weight');
  const dtype = embedding ? conversion.floatDType(embedding) : 'f32';
  const json = (name: string, value: unknown): OutputFile => ({ name, chunks: () => [encodeJson(value)] });
  return [
    json('config.json', toHuggingFaceConfig(config, { dtype, specialIds })),
    json(GENERATION_FILE, generationConfig(specialIds)),
    ...[...(options.vocabulary?.files ?? [])].map(([name, bytes]) => ({ name, chunks: () => [bytes] })),
    ...weightFiles([...tensors, ...zeroBiases(config, dtype)], options.shards ?? 1),
  ];
}

function weightFiles(tensors: readonly TensorToWrite[], shards: number): OutputFile[] {
  const metadata = { format: 'pt' };
  const file = (name: string, group: readonly TensorToWrite[]): OutputFile => ({
    name,
    chunks: () => safetensorsChunks(name, [...group].sort(compareTensors), metadata),
  });
  if (shards === 1) return [file(SINGLE_FILE, tensors)];
  const groups = intoGroups(tensors, shards);
  const number = (value: number) => String(value).padStart(5, '0');
  const names = groups.map((_, i) => `model-${number(i + 1)}-of-${number(groups.length)}.safetensors`);
  const map = groups.flatMap((group, i) => group.map(({ name }) => [name, names[i]] as const));
  const total = tensors.reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
  const index = { metadata: { total_size: total }, weight_map: Object.fromEntries(map.sort()) };
  return [
    ...groups.map((group, i) => file(names[i] ?? '', group)),
    { name: INDEX_FILE, chunks: () => [encodeJson(index)] },
  ];
}

/** Neighbours together, in so many groups (or one a tensor) of about the same number of bytes. */
function intoGroups(tensors: readonly TensorToWrite[], shards: number): TensorToWrite[][] {
  const count = Math.min(shards, tensors.length);
  const total = tensors.reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
  const groups: TensorToWrite[][] = [[]];
  let placed = 0;
  tensors.forEach((tensor, i) => {
    const last = groups.at(-1);
    const full = placed >= (total * groups.length) / count && groups.length < count;
    const needed = count - groups.length >= tensors.length - i; // one tensor for each group still to come
    if (last && last.length > 0 && (full || needed)) groups.push([tensor]);
    else last?.push(tensor);
    placed += tensorBytes(tensor);
  });
  return groups;
}
