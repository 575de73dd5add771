import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { LlamaConfig } from '@cria/layers';
import { checkOptions, fail } from '@cria/tensor';
import { explain, writeFileAtomic } from './atomic.ts';
import type { Checkpoint } from './checkpoint.ts';
import { bytesOf, decodeNumbers, encodeNumbers } from './convert.ts';
import { isNumeric, weightBytes } from './dtypes.ts';
import { encodeJson, readJson } from './json-file.ts';
import { fromHuggingFaceName, isRotated, toHuggingFaceName } from './names.ts';
import { toAdjacent, toHalfSplit } from './row-order.ts';
import type { FloatDType } from './safetensors/dtypes.ts';
import { SafetensorsFile } from './safetensors/reader.ts';
import { writeSafetensors } from './safetensors/writer.ts';
import { makeCheckpoint } from './stored-checkpoint.ts';
import type { StoredWeight } from './weights.ts';

/*
 * LoRA adapters in PEFT's layout: `adapter_config.json` and `adapter_model.safetensors` with `base_model.model.NAME.lora_A.weight` [r, in]
 * and `lora_B.weight` [out, r]. y = W x + scale · B A x, scale = alpha / r (alpha / √r with rsLoRA). Rows of B follow the rows of
 * W, so for wq and wk they change their order with it.
 */

/** A and B of one weight, in Meta's row order. */
export interface LoraFactors {
  /** [r, in] */
  readonly a: Float32Array;
  /** [out, r] */
  readonly b: Float32Array;
  readonly rank: number;
  /** Factor of B·A. */
  readonly scale: number;
}

export interface LoraAdapter {
  /** By the canonical name of the weight that is adapted. */
  readonly factors: ReadonlyMap<string, LoraFactors>;
  readonly rank: number;
  readonly alpha: number;
  readonly dropout: number;
  readonly rankStabilized: boolean;
  /** `base_model_name_or_path`. */
  readonly base: string | undefined;
}

const op = 'lora';
const CONFIG_FILE = 'adapter_config.json';
const WEIGHTS_FILE = 'adapter_model.safetensors';
const PREFIX = 'base_model.model.';

/** Reads an adapter for a model of this configuration. Kinds of adapters that would need other mathematics are refused by name. */
export async function readLora(folder: string, config: LlamaConfig): Promise<LoraAdapter> {
  const path = join(folder, CONFIG_FILE);
  const settings = parseSettings(path, await readJson(op, path));
  if (!existsSync(join(folder, WEIGHTS_FILE)))
    fail(op, `${folder} has no ${WEIGHTS_FILE}.`, 'adapters in other files (adapter_model.bin) are not read');
  const file = await SafetensorsFile.open(join(folder, WEIGHTS_FILE));
  const halves = new Map<string, Map<'A' | 'B', { values: Float32Array; shape: readonly number[] }>>();
  for (const { name, dtype, shape } of file.tensors.values()) {
    const [, stored = '', half = ''] =
      /^base_model\.model\.(.+)\.lora_([AB])(?:\.default)?\.weight$/.exec(name) ?? [];
    const canonical = fromHuggingFaceName(`${stored}.weight`);
    if (canonical === undefined || shape.length !== 2 || !isNumeric(dtype))
      fail(op, `${file.path}: "${name}" ${dtype}[${shape.join(', ')}] is no LoRA matrix of a LLaMA.`);
    const values = new Float32Array(decodeNumbers(await file.read(name), dtype));
    halves.set(canonical, (halves.get(canonical) ?? new Map()).set(half as 'A' | 'B', { values, shape }));
  }
  const factors = new Map<string, LoraFactors>();
  for (const [name, pair] of halves) {
    const [a, b] = [pair.get('A'), pair.get('B')];
    const rank = a?.shape[0] ?? 0;
    if (!a || !b || b.shape[1] !== rank)
      return fail(
        op,
        `${file.path}: A and B of ${name} are [${a?.shape.join(', ') ?? 'missing'}] and [${b?.shape.join(', ') ?? 'missing'}].`,
      );
    const rows = b.shape[0] ?? 0;
    if (isRotated(name) && rows % config.headDim !== 0)
      fail(op, `${file.path}: B of ${name} has ${rows} rows, no heads of ${config.headDim}.`);
    const ordered = isRotated(name)
      ? toAdjacent(bytesOf(b.values), 4 * rank, config.headDim)
      : bytesOf(b.values);
    const scale = settings.alpha / (settings.rankStabilized ? Math.sqrt(rank) : rank);
    factors.set(name, { a: a.values, b: decodeNumbers(ordered, 'F32') as Float32Array, rank, scale });
  }
  if (factors.size === 0) fail(op, `${file.path} holds no LoRA matrices.`);
  return { ...settings, factors };
}

function parseSettings(path: string, json: unknown): Omit<LoraAdapter, 'factors'> {
  const fields = (json ?? {}) as Readonly<Record<string, unknown>>;
  if (fields['peft_type'] !== 'LORA')
    fail(op, `${path}: peft_type is ${JSON.stringify(fields['peft_type'])}.`, 'only LORA is read');
  const set = (value: unknown) =>
    value !== undefined &&
    value !== null &&
    value !== false &&
    value !== 'none' &&
    !(typeof value === 'object' && Object.keys(value).length === 0);
  for (const name of [
    'use_dora',
    'bias',
    'fan_in_fan_out',
    'modules_to_save',
    'rank_pattern',
    'alpha_pattern',
    'lora_bias',
    'megatron_config',
  ]) {
    if (set(fields[name]))
      fail(op, `${path}: ${name} is ${JSON.stringify(fields[name])}.`, 'such adapters are not read');
  }
  const number = (name: string, absent?: number): number => {
    const value = fields[name] ?? absent;
    if (typeof value !== 'number' || !Number.isFinite(value))
      return fail(op, `${path}: ${name} is ${JSON.stringify(value) ?? 'missing'}.`);
    return value;
  };
  const base = fields['base_model_name_or_path'];
  return {
    rank: number('r'),
    alpha: number('lora_alpha'),
    dropout: number('lora_dropout', 0),
    rankStabilized: fields['use_rslora'] === true,
    base: typeof base === 'string' ? base : undefined,
  };
}

/** Writes an adapter that PEFT loads. The folder is made if need be; each file appears whole or not at all. */
export async function writeLora(
  folder: string,
  adapter: LoraAdapter,
  config: LlamaConfig,
  options: { readonly dtype?: FloatDType } = {},
): Promise<void> {
  checkOptions(op, options, ['dtype']);
  const { dtype = 'F32' } = options;
  const modules = new Set<string>();
  const tensors = [...adapter.factors].flatMap(([name, { a, b, rank }]) => {
    const stored = toHuggingFaceName(name)?.replace(/\.weight$/, '');
    if (stored === undefined) return fail(op, `"${name}" is no weight of a LLaMA.`);
    modules.add(stored.slice(stored.lastIndexOf('.') + 1));
    const bytes = encodeNumbers(b, dtype);
    const rows = isRotated(name) ? toHalfSplit(bytes, weightBytes(dtype, rank) ?? 0, config.headDim) : bytes;
    return [
      {
        name: `${PREFIX}${stored}.lora_A.weight`,
        dtype,
        shape: [rank, a.length / rank],
        chunks: () => [encodeNumbers(a, dtype)],
      },
      {
        name: `${PREFIX}${stored}.lora_B.weight`,
        dtype,
        shape: [b.length / rank, rank],
        chunks: () => [rows],
      },
    ];
  });
  const settings = {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: adapter.base ?? null,
    r: adapter.rank,
    lora_alpha: adapter.alpha,
    lora_dropout: adapter.dropout,
    bias: 'none',
    fan_in_fan_out: false,
    use_rslora: adapter.rankStabilized,
    use_dora: false,
    target_modules: [...modules].sort(),
    modules_to_save: null,
    inference_mode: true,
  };
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw explain(op, `cannot make ${folder}`, error);
  }
  await writeSafetensors(join(folder, WEIGHTS_FILE), tensors, { metadata: { format: 'pt' }, sha256: false });
  await writeFileAtomic(op, join(folder, CONFIG_FILE), [encodeJson(settings)]);
}

/**
 * The checkpoint with W + scale · B A in place of each adapted W: opened lazily like any other, to load or to convert. Adapted weights become
 * F32; sums are formed in double. Throws where an adapted weight is missing or of another shape.
 */
export function mergeLora(checkpoint: Checkpoint, adapter: LoraAdapter): Checkpoint {
  const weights = new Map<string, StoredWeight>(checkpoint.tensors);
  for (const [name, factors] of adapter.factors) {
    const base =
      checkpoint.tensors.get(name) ??
      fail(op, `${checkpoint.path} has no ${name}, which the adapter changes.`);
    const [rows = 0, columns = 0] = base.shape;
    const { a, b, rank } = factors;
    if (base.shape.length !== 2 || b.length !== rows * rank || a.length !== rank * columns)
      fail(
        op,
        `the adapter of ${name} makes [${b.length / rank}, ${a.length / rank}], the weight is [${base.shape.join(', ')}].`,
      );
    weights.set(name, {
      ...base,
      dtype: 'F32',
      bytes: 4 * rows * columns,
      halfSplit: undefined,
      offset: undefined,
      readBytes: async (begin, end) => {
        const [first, last] = [Math.floor(begin / (4 * columns)), Math.ceil(end / (4 * columns))];
        const merged = await mergedRows(checkpoint, base, factors, first, last);
        return bytesOf(merged).slice(begin - first * 4 * columns, end - first * 4 * columns);
      },
    });
  }
  const { format, path, config, specialIds, metadata } = checkpoint;
  return makeCheckpoint(format, path, config, specialIds, weights, metadata);
}

/** Rows `first` to `last` of W + scale · B A, in Meta's order. */
async function mergedRows(
  checkpoint: Checkpoint,
  base: StoredWeight,
  { a, b, rank, scale }: LoraFactors,
  first: number,
  last: number,
): Promise<Float32Array> {
  const columns = base.shape[1] ?? 0;
  const head = base.halfSplit ?? 1;
  // Heads whole, since their rows may have another order in the file.
  const [from, to] = [Math.floor(first / head) * head, Math.ceil(last / head) * head];
  const numbers = await checkpoint.readRows(base.name, from, to);
  const out = numbers.slice((first - from) * columns, (last - from) * columns);
  for (let row = first; row < last; row++) {
    for (let column = 0; column < columns; column++) {
      let sum = 0;
      for (let k = 0; k < rank; k++) sum += (b[row * rank + k] ?? 0) * (a[k * columns + column] ?? 0);
      const at = (row - first) * columns + column;
      out[at] = (out[at] ?? 0) + scale * sum;
    }
  }
  return out;
}
