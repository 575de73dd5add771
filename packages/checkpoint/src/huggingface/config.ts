import { type LlamaConfig, llamaConfig, type RopeScaling } from '@cria/layers';
import { CriaError, fail } from '@cria/tensor';
import type { SpecialIds } from '../checkpoint.ts';
import { llama3Scaling } from '../rope-scaling.ts';
import type { FloatDType } from '../safetensors/dtypes.ts';

export interface HuggingFaceConfig {
  readonly config: LlamaConfig;
  readonly specialIds: SpecialIds;
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * The configuration in a `config.json`. Absent fields have the defaults of transformers' `configuration_llama.py`, but the five that fix
 * the size of the model must be there. Whatever would change the mathematics and is not known here is refused, not ignored.
 *
 * @param file for messages.
 */
export function parseHuggingFaceConfig(json: unknown, file = 'config.json'): HuggingFaceConfig {
  const fields = checkRecord(file, 'the configuration', json);
  checkArchitecture(file, fields);
  const dim = wholeNumber(file, fields, 'hidden_size');
  const nHeads = wholeNumber(file, fields, 'num_attention_heads');
  const rope = readRope(file, fields);
  try {
    const config = llamaConfig({
      dim,
      nHeads,
      nLayers: wholeNumber(file, fields, 'num_hidden_layers'),
      nKvHeads: wholeNumber(file, fields, 'num_key_value_heads', nHeads),
      headDim: wholeNumber(file, fields, 'head_dim', dim / nHeads),
      ffnDim: wholeNumber(file, fields, 'intermediate_size'),
      vocabSize: wholeNumber(file, fields, 'vocab_size'),
      contextLength: wholeNumber(file, fields, 'max_position_embeddings', 2048),
      normEps: positive(file, fields, 'rms_norm_eps', 1e-6),
      ropeTheta: rope.theta,
      ...(rope.scaling ? { ropeScaling: rope.scaling } : {}),
      tiedEmbeddings: flag(file, fields, 'tie_word_embeddings', false),
    });
    return { config, specialIds: readSpecialIds(file, fields) };
  } catch (error) {
    if (!(error instanceof CriaError) || error.op !== 'llamaConfig') throw error;
    return fail('config.json', `${file}: ${error.message}`, undefined, error);
  }
}

/** A `config.json` that transformers and everything that follows it load. */
export function toHuggingFaceConfig(
  config: LlamaConfig,
  options: { readonly dtype?: FloatDType; readonly specialIds?: Partial<SpecialIds> } = {},
): Record<string, unknown> {
  const scaling = llama3Scaling('config.json', config);
  const { bos, eos = [], pad } = options.specialIds ?? {};
  const names = { F32: 'float32', BF16: 'bfloat16', F16: 'float16', F64: 'float64' };
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    vocab_size: config.vocabSize,
    hidden_size: config.dim,
    intermediate_size: config.ffnDim,
    num_hidden_layers: config.nLayers,
    num_attention_heads: config.nHeads,
    num_key_value_heads: config.nKvHeads,
    head_dim: config.headDim,
    hidden_act: 'silu',
    max_position_embeddings: config.contextLength,
    initializer_range: 0.02,
    rms_norm_eps: config.normEps,
    rope_theta: config.ropeTheta,
    rope_scaling: scaling
      ? {
          rope_type: 'llama3',
          factor: scaling.factor,
          low_freq_factor: scaling.lowFreqFactor,
          high_freq_factor: scaling.highFreqFactor,
          original_max_position_embeddings: scaling.originalContextLength,
        }
      : null,
    tie_word_embeddings: config.tiedEmbeddings,
    attention_bias: false,
    mlp_bias: false,
    bos_token_id: bos ?? null,
    eos_token_id: eos.length > 1 ? eos : (eos[0] ?? null),
    pad_token_id: pad ?? null,
    pretraining_tp: 1,
    torch_dtype: names[options.dtype ?? 'F32'],
  };
}

function checkArchitecture(file: string, fields: Fields): void {
  const { model_type: type, architectures, hidden_act: activation } = fields;
  const named = Array.isArray(architectures) ? architectures : [];
  if (type !== 'llama' && !(type === undefined && named.includes('LlamaForCausalLM'))) {
    fail(
      'config.json',
      `${file}: model_type is ${show(type)}, architectures ${show(architectures)}.`,
      'only LLaMA models ("llama") are read',
    );
  }
  if (activation !== undefined && activation !== 'silu' && activation !== 'swish')
    fail('config.json', `${file}: hidden_act is ${show(activation)}.`, 'LLaMA has silu');
  for (const name of ['attention_bias', 'mlp_bias']) {
    if (flag(file, fields, name, false))
      fail('config.json', `${file}: ${name} is true.`, 'linear layers here have no bias');
  }
  const { partial_rotary_factor: partial = 1, quantization_config: quantization = null } = fields;
  if (partial !== 1)
    fail('config.json', `${file}: partial_rotary_factor is ${show(partial)}.`, 'LLaMA rotates whole heads');
  if (quantization !== null)
    fail('config.json', `${file} has a quantization_config.`, 'load the original weights');
}

/** `rope_parameters` of new files, or `rope_theta` with `rope_scaling` of old ones. */
function readRope(file: string, fields: Fields): { theta: number; scaling: RopeScaling | undefined } {
  const section = fields['rope_parameters'] != null ? 'rope_parameters' : 'rope_scaling';
  if (fields[section] == null)
    return { theta: positive(file, fields, 'rope_theta', 10000), scaling: undefined };
  const rope = checkRecord(file, section, fields[section]);
  const theta = positive(file, rope['rope_theta'] == null ? fields : rope, 'rope_theta', 10000);
  const type = rope['rope_type'] ?? rope['type'] ?? 'default';
  if (type === 'default') return { theta, scaling: undefined };
  if (type !== 'llama3')
    fail(
      'config.json',
      `${file}: ${section} has rope_type ${show(type)}.`,
      'known types are "default" and "llama3"',
    );
  const scaling = {
    factor: positive(file, rope, 'factor'),
    lowFreqFactor: positive(file, rope, 'low_freq_factor'),
    highFreqFactor: positive(file, rope, 'high_freq_factor'),
    originalContextLength: wholeNumber(file, rope, 'original_max_position_embeddings'),
  };
  return { theta, scaling };
}

/** `bos_token_id`, `eos_token_id` (one or several) and `pad_token_id` of a configuration. */
export function readSpecialIds(file: string, fields: Fields): SpecialIds {
  const id = (name: string) =>
    fields[name] == null ? undefined : wholeNumber(file, fields, name, undefined, 0);
  const { eos_token_id: eos } = fields;
  const many = Array.isArray(eos)
    ? eos.map((_, i) => wholeNumber(file, eos as unknown as Fields, String(i), undefined, 0))
    : undefined;
  const one = many ? undefined : id('eos_token_id');
  return {
    bos: id('bos_token_id'),
    eos: many ?? (one === undefined ? [] : [one]),
    pad: padId(fields['pad_token_id']),
  };
}

/** Old files write -1 for "none". */
function padId(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 ? value : undefined;
}

export function checkRecord(file: string, what: string, value: unknown): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    fail('config.json', `${file}: ${what} is ${show(value)}.`, 'it must be an object');
  return value as Fields;
}

function wholeNumber(file: string, fields: Fields, name: string, absent?: number, least = 1): number {
  const value = fields[name] ?? absent;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least) {
    fail('config.json', `${file}: ${name} is ${show(value)}.`, `it must be a whole number from ${least}`);
  }
  return value;
}

function positive(file: string, fields: Fields, name: string, absent?: number): number {
  const value = fields[name] ?? absent;
  if (typeof value !== 'number' || !(Number.isFinite(value) && value > 0))
    fail('config.json', `${file}: ${name} is ${show(value)}.`, 'it must be a number above 0');
  return value;
}

function flag(file: string, fields: Fields, name: string, absent: boolean): boolean {
  const value = fields[name] ?? absent;
  if (typeof value !== 'boolean')
    fail('config.json', `${file}: ${name} is ${show(value)}.`, 'it must be true or false');
  return value;
}

function show(value: unknown): string {
  return value === undefined ? 'missing' : JSON.stringify(value).slice(0, 120);
}
