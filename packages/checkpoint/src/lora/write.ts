import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { LlamaConfig } from '@cria/layers';
import { checkOptions, type ComputeDType, fail } from '@cria/tensor';
import { explain, writeFileAtomic } from '@cria/files';
import type { TensorInfo } from '../checkpoint.ts';
import { encodeNumbers } from '../convert.ts';
import { weightBytes } from '../dtypes.ts';
import { encodeJson } from '../json-file.ts';
import { isRotated, toHuggingFaceName } from '../names.ts';
import { toHalfSplit } from '../row-order.ts';
import { type TensorToWrite, writeSafetensors } from '../safetensors/writer.ts';
import { readFloat32 } from '../weights.ts';
import {
  CONFIG_FILE,
  type LoraAdapter,
  type LoraFactors,
  loraScale,
  PREFIX,
  WEIGHTS_FILE,
} from './adapter.ts';

const op = 'lora';

export interface WriteLoraOptions {
  /** Type of the numbers in the file. Default f32. */
  readonly dtype?: ComputeDType;
}

/**
 * Writes an adapter that PEFT loads. The folder is made if need be; each file appears whole or not
 * at all.
 */
export async function writeLora(
  folder: string,
  adapter: LoraAdapter,
  config: LlamaConfig,
  options: WriteLoraOptions = {},
): Promise<void> {
  checkOptions(op, options, ['dtype']);
  const { dtype = 'f32' } = options;
  const matrices = [...adapter.factors].flatMap(([name, factors]) =>
    matricesOf(name, factors, dtype, config),
  );
  const saved = [...adapter.saved].map((entry) => savedTensor(entry, dtype, config));
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw explain(op, `cannot make ${folder}`, error);
  }
  const tensors = [...matrices, ...saved];
  await writeSafetensors(join(folder, WEIGHTS_FILE), tensors, { metadata: { format: 'pt' }, sha256: false });
  await writeFileAtomic(op, join(folder, CONFIG_FILE), [encodeJson(settingsOf(adapter))]);
}

/** `layers.0.attention.wq.weight` → `model.layers.0.self_attn.q_proj` */
function moduleOf(name: string): string {
  const stored = toHuggingFaceName(name) ?? fail(op, `"${name}" is no weight of a LLaMA.`);
  return stored.slice(0, -'.weight'.length);
}

/** The last part of a module's name: `q_proj` */
function lastPart(module: string): string {
  return module.slice(module.lastIndexOf('.') + 1);
}

function matricesOf(
  name: string,
  { a, b, rank }: LoraFactors,
  dtype: ComputeDType,
  { headDim }: LlamaConfig,
): TensorToWrite[] {
  const prefix = `${PREFIX}${moduleOf(name)}`;
  const bytes = encodeNumbers(b, dtype);
  const rows = isRotated(name) ? toHalfSplit(bytes, weightBytes(dtype, rank) ?? 0, headDim) : bytes;
  const [aShape, bShape] = [[rank, a.length / rank] as const, [b.length / rank, rank] as const];
  return [
    { name: `${prefix}.lora_A.weight`, dtype, shape: aShape, chunks: () => [encodeNumbers(a, dtype)] },
    { name: `${prefix}.lora_B.weight`, dtype, shape: bShape, chunks: () => [rows] },
  ];
}

function savedTensor(
  [name, weight]: readonly [string, TensorInfo],
  dtype: ComputeDType,
  { headDim }: LlamaConfig,
): TensorToWrite {
  const columns = weight.shape.at(-1) ?? 1;
  const chunks = async function* () {
    const bytes = encodeNumbers(await readFloat32(op, weight), dtype);
    yield isRotated(name) ? toHalfSplit(bytes, weightBytes(dtype, columns) ?? 0, headDim) : bytes;
  };
  return { name: `${PREFIX}${moduleOf(name)}.weight`, dtype, shape: weight.shape, chunks };
}

/** An `adapter_config.json`; weights with a rank or a scale of their own are named in patterns. */
function settingsOf(adapter: LoraAdapter): Record<string, unknown> {
  const { rank, alpha, rankStabilized, factors, saved } = adapter;
  const ranks: Record<string, number> = {};
  const alphas: Record<string, number> = {};
  const modules = new Set<string>();
  for (const [name, own] of factors) {
    const module = moduleOf(name);
    modules.add(lastPart(module));
    if (own.rank !== rank) ranks[module] = own.rank;
    const factor = loraScale(1, own.rank, rankStabilized);
    if (own.scale !== loraScale(alpha, own.rank, rankStabilized)) alphas[module] = own.scale / factor;
  }
  const patterned = Object.keys(ranks).length + Object.keys(alphas).length > 0;
  return {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: adapter.base ?? null,
    r: rank,
    lora_alpha: alpha,
    lora_dropout: adapter.dropout,
    bias: 'none',
    fan_in_fan_out: false,
    use_rslora: rankStabilized,
    use_dora: false,
    target_modules: [...modules].sort(),
    ...(patterned ? { rank_pattern: ranks, alpha_pattern: alphas } : {}),
    modules_to_save:
      saved.size === 0 ? null : [...new Set([...saved.keys()].map((n) => lastPart(moduleOf(n))))],
    inference_mode: true,
  };
}
