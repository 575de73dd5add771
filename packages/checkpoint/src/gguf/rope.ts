import { type LlamaConfig, ropeAttentionFactor, type RopeScaling, yarnMagnitude } from '@cria/layers';
import { fail } from '@cria/tensor';
import type { GgufEntry, GgufMetadata } from '@cria/tokenizer';
import { entryValue } from './entry-value.ts';
import { findScaling } from './rope-freqs.ts';
import { shortest } from './shortest.ts';

const op = 'openCheckpoint';

/**
 * Where Cria's own files keep what GGUF has no key for: the settings behind `rope_freqs.weight`.
 * Others ignore it.
 */
const OWN_KEYS = {
  factor: 'cria.rope_scaling.factor',
  lowFreqFactor: 'cria.rope_scaling.low_freq_factor',
  highFreqFactor: 'cria.rope_scaling.high_freq_factor',
  originalContextLength: 'cria.rope_scaling.original_context_length',
} as const;

const TYPE = 'llama.rope.scaling.type';
const FACTOR = 'llama.rope.scaling.factor';
const OLD_FACTOR = 'llama.rope.scale_linear';
const ATTENTION = 'llama.rope.scaling.attn_factor';
const ORIGINAL = 'llama.rope.scaling.original_context_length';
const BETA_FAST = 'llama.rope.scaling.yarn_beta_fast';
const BETA_SLOW = 'llama.rope.scaling.yarn_beta_slow';
const LOG_MULTIPLIER = 'llama.rope.scaling.yarn_log_multiplier';

/** The facts that readers of GGUF files go by. */
interface Positions extends Pick<LlamaConfig, 'headDim' | 'ropeTheta' | 'contextLength'> {
  /** Values of `rope_freqs.weight`, where it is there. */
  readonly divisors: Float32Array | undefined;
}

/**
 * The scaling as llama.cpp reads it (llama-model.cpp load_hparams, llama-context.cpp): undefined
 * where nothing is scaled.
 */
export function readGgufScaling(
  file: string,
  metadata: GgufMetadata,
  { divisors, contextLength, ...config }: Positions,
): RopeScaling | undefined {
  const number = (key: string) => {
    const value = entryValue(op, file, metadata, key, 'number');
    return typeof value === 'number' ? shortest(value) : undefined;
  };
  for (const key of ['yarn_ext_factor', 'yarn_attn_factor']) {
    const value = number(`llama.rope.scaling.${key}`) ?? 1;
    if (value !== 1 && value !== -1) fail(op, `${file}: llama.rope.scaling.${key} is ${value}.`);
  }
  const factor = number(FACTOR) ?? number(OLD_FACTOR) ?? 1;
  // A factor without a type is linear; type none leaves it without effect.
  const type = entryValue(op, file, metadata, TYPE, 'string') ?? 'linear';
  const given = number(ATTENTION) ?? 1;
  const attention = given === 1 ? {} : { attentionFactor: given };
  const byTensor = divisors?.every((value) => value === 1) === false ? divisors : undefined;
  if (byTensor && type !== 'none' && factor !== 1)
    fail(op, `${file}: rope_freqs.weight beside RoPE scaling of type ${String(type)}, factor ${factor}.`);
  if (byTensor) return { ...tensorScaling(file, metadata, byTensor, config), ...attention };
  if (type === 'yarn') {
    const multiplier = number(LOG_MULTIPLIER) ?? 0;
    const magnitude = (given * yarnMagnitude(factor)) / yarnMagnitude(factor, multiplier);
    const [betaFast, betaSlow] = [number(BETA_FAST), number(BETA_SLOW)];
    return {
      type,
      factor,
      originalContextLength: number(ORIGINAL) ?? contextLength,
      ...(given === 1 && multiplier === 0 ? {} : { attentionFactor: shortest(magnitude) }),
      ...(betaFast === undefined ? {} : { betaFast }),
      ...(betaSlow === undefined ? {} : { betaSlow }),
    };
  }
  if (type !== 'linear' && type !== 'none')
    fail(
      op,
      `${file}: RoPE scaling of type ${JSON.stringify(type)}.`,
      'known are "none", "linear" and "yarn"',
    );
  const used = type === 'none' ? 1 : factor;
  return used === 1 && given === 1 ? undefined : { type: 'linear', factor: used, ...attention };
}

function tensorScaling(
  file: string,
  metadata: GgufMetadata,
  divisors: Float32Array,
  config: Pick<LlamaConfig, 'headDim' | 'ropeTheta'>,
): RopeScaling {
  const own = Object.entries(OWN_KEYS).map(
    ([field, key]) => [field, entryValue(op, file, metadata, key, 'number')] as const,
  );
  // The four fields of Llama 3.1's scaling.
  if (own.every(([, value]) => value !== undefined)) return Object.fromEntries(own) as unknown as RopeScaling;
  return (
    findScaling(divisors, config) ??
    fail(
      op,
      `${file}: rope_freqs.weight fits no scaling of Llama 3.1's kind (${divisors.join(', ').slice(0, 200)}).`,
    )
  );
}

/** The keys with which llama.cpp turns as this scaling says. Throws where it cannot. */
export function ggufScaling(scaling: RopeScaling | undefined): [string, GgufEntry][] {
  if (!scaling) return [];
  const f32 = (value: number): GgufEntry => ({ type: 'f32', value });
  const text = (value: string): GgufEntry => ({ type: 'string', value });
  const { factor } = scaling;
  const attention = (value: number): [string, GgufEntry][] =>
    Math.abs(value - 1) < 1e-7 ? [] : [[ATTENTION, f32(value)]];
  switch (scaling.type) {
    case 'linear':
      return [[TYPE, text('linear')], [FACTOR, f32(factor)], ...attention(scaling.attentionFactor ?? 1)];
    case 'dynamic':
      return fail('convertCheckpoint', 'RoPE scaling of type dynamic has no place in a GGUF file.');
    case 'yarn':
      if (scaling.truncate === false)
        fail('convertCheckpoint', 'yarn without truncation has no place in a GGUF file.');
      return [
        [TYPE, text('yarn')],
        [FACTOR, f32(factor)],
        [ORIGINAL, { type: 'u32', value: scaling.originalContextLength }],
        [BETA_FAST, f32(scaling.betaFast ?? 32)],
        [BETA_SLOW, f32(scaling.betaSlow ?? 1)],
        ...attention(ropeAttentionFactor(scaling) / yarnMagnitude(factor)),
      ];
    default:
      return [
        ...Object.entries(OWN_KEYS).map(([field, key]): [string, GgufEntry] => [
          key,
          { type: 'f64', value: scaling[field as keyof typeof OWN_KEYS] },
        ]),
        ...attention(scaling.attentionFactor ?? 1),
      ];
  }
}
