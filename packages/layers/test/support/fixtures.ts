import { readFileSync } from 'node:fs';
import { readVectorJson, vectors } from '../../../../scripts/support/vectors.ts';
import { llamaConfig, type LlamaConfig, type RopeScaling } from '../../src/index.ts';

export const readJson = readVectorJson;

export interface StoredTensor {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** All tensors of a safetensors file, widened to double. */
export function readSafetensors(path: string): Record<string, StoredTensor> {
  const bytes = new Uint8Array(readFileSync(new URL(path, vectors)));
  const headerLength = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }> =
    JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + headerLength)));
  const arrays = { F32: Float32Array, F64: Float64Array, I32: Int32Array, U8: Uint8Array } as const;
  const tensors: Record<string, StoredTensor> = {};
  for (const [
    name,
    {
      dtype,
      shape,
      data_offsets: [start, end],
    },
  ] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const Stored = arrays[dtype as keyof typeof arrays];
    const data = new Stored(bytes.slice(8 + headerLength + start, 8 + headerLength + end).buffer);
    tensors[name] = { shape, data: Float64Array.from(data) };
  }
  return tensors;
}

export function readConfig(path: string): LlamaConfig {
  const hf = readJson(path);
  // Newer files say all of it in one place, older ones have theta and the scaling beside each other.
  const rope = hf.rope_parameters ?? { rope_theta: hf.rope_theta, ...hf.rope_scaling };
  const scaling = readScaling(path, rope, hf.max_position_embeddings);
  return llamaConfig({
    dim: hf.hidden_size,
    nLayers: hf.num_hidden_layers,
    nHeads: hf.num_attention_heads,
    nKvHeads: hf.num_key_value_heads,
    headDim: hf.head_dim,
    ffnDim: hf.intermediate_size,
    vocabSize: hf.vocab_size,
    contextLength: hf.max_position_embeddings,
    normEps: hf.rms_norm_eps,
    ropeTheta: rope.rope_theta,
    tiedEmbeddings: hf.tie_word_embeddings,
    ...(scaling && { ropeScaling: scaling }),
    ...(hf.attention_bias && { attentionBias: 'all' as const }),
    ...(hf.mlp_bias && { mlpBias: true }),
    ...(hf.sliding_window && hf.use_sliding_window !== false && { slidingWindow: hf.sliding_window }),
  });
}

/** Every scaling that `layers` has; others are no case of these tests. */
// oxlint-disable-next-line typescript/no-explicit-any -- a part of the file
function readScaling(path: string, rope: any, contextLength: number): RopeScaling | undefined {
  const type = rope.rope_type ?? rope.type ?? 'default';
  const { factor } = rope;
  const originalContextLength = rope.original_max_position_embeddings ?? contextLength;
  switch (type) {
    case 'default':
      return undefined;
    case 'llama3': {
      const [lowFreqFactor, highFreqFactor] = [rope.low_freq_factor, rope.high_freq_factor];
      return { factor, lowFreqFactor, highFreqFactor, originalContextLength };
    }
    case 'linear':
      return { type, factor };
    case 'dynamic':
      return { type, factor, originalContextLength: contextLength };
    case 'yarn':
      return {
        type,
        factor,
        originalContextLength,
        ...(rope.attention_factor != null && { attentionFactor: rope.attention_factor }),
        ...(rope.beta_fast != null && { betaFast: rope.beta_fast }),
        ...(rope.beta_slow != null && { betaSlow: rope.beta_slow }),
        ...(rope.truncate === false && { truncate: false }),
      };
    default:
      throw new Error(`${path}: rope scaling ${type} is not read here`);
  }
}

const META_NAMES: readonly [RegExp, string][] = [
  [/^model\.embed_tokens\./, 'tok_embeddings.'],
  [/^lm_head\./, 'output.'],
  [/^model\.norm\./, 'norm.'],
  [/^model\.layers\.(\d+)\.self_attn\.([qkvo])_proj\./, 'layers.$1.attention.w$2.'],
  [/^model\.layers\.(\d+)\.mlp\.gate_proj\./, 'layers.$1.feed_forward.w1.'],
  [/^model\.layers\.(\d+)\.mlp\.down_proj\./, 'layers.$1.feed_forward.w2.'],
  [/^model\.layers\.(\d+)\.mlp\.up_proj\./, 'layers.$1.feed_forward.w3.'],
  [/^model\.layers\.(\d+)\.input_layernorm\./, 'layers.$1.attention_norm.'],
  [/^model\.layers\.(\d+)\.post_attention_layernorm\./, 'layers.$1.ffn_norm.'],
];

/**
 * HF's names and row order (or gradients in that order) to Meta's: within a head, HF row i·E/2 + j
 * of wq and wk is Meta row 2j + i. Tensors under other prefixes than `prefix` are left out.
 */
export function toMeta(
  config: LlamaConfig,
  tensors: Record<string, StoredTensor>,
  prefix = '',
): Record<string, Float64Array> {
  const weights: Record<string, Float64Array> = {};
  for (const [stored, { data }] of Object.entries(tensors)) {
    const name = stored.slice(prefix.length);
    const rule = stored.startsWith(prefix) && META_NAMES.find(([pattern]) => pattern.test(name));
    if (!rule) continue;
    const meta = name.replace(rule[0], rule[1]);
    weights[meta] = /\.w[qk]\./.test(meta) ? unpermute(data, config.headDim, config.dim) : data;
  }
  return weights;
}

function unpermute(data: Float64Array, headDim: number, dim: number): Float64Array {
  const result = new Float64Array(data.length);
  for (let row = 0; row < data.length / dim; row++) {
    const inHead = row % headDim;
    const from = row - inHead + (inHead % 2) * (headDim / 2) + Math.floor(inHead / 2);
    result.set(data.subarray(from * dim, (from + 1) * dim), row * dim);
  }
  return result;
}
