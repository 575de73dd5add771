import { feedForwardDim, type LlamaConfig, llamaConfig, type RopeScaling } from '@cria/layers';
import { CriaError, fail } from '@cria/tensor';
import { llama3Scaling } from '../rope-scaling.ts';

/** Sizes that the tensors tell and `params.json` does not. */
export interface MetaFacts {
  readonly vocabSize: number;
  readonly ffnDim: number;
  /** Biases, which `params.json` has no field for. */
  readonly biases?: Pick<LlamaConfig, 'attentionBias' | 'mlpBias'>;
  /** Whether there is a matrix `output.weight`. */
  readonly hasOutput: boolean;
}

type Fields = Readonly<Record<string, unknown>>;

/** Llama 3.1's scaling, which Meta's code has as constants; Llama 3.2 (1B, 3B) has factor 32. */
const SCALING = { factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalContextLength: 8192 } as const;

/**
 * The configuration in a `params.json`. It says nothing of the context: `max_seq_len` where our own
 * writer put it, else that of the release the other fields point to (2048; 8192 for θ of 500000;
 * 131072 with scaled RoPE).
 */
export function parseMetaParams(file: string, json: unknown, facts: MetaFacts): LlamaConfig {
  const op = 'openCheckpoint';
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    fail(op, `${file} is no JSON object.`);
  const outer = json as Fields;
  const fields = (
    typeof outer['model'] === 'object' && outer['model'] !== null ? outer['model'] : outer
  ) as Fields;
  const number = (name: string, absent?: number): number => {
    const value = fields[name] ?? absent;
    if (typeof value !== 'number' || !Number.isFinite(value))
      return fail(op, `${file}: ${name} is ${JSON.stringify(value) ?? 'missing'}.`, 'it must be a number');
    return value;
  };
  const stated = number('vocab_size', -1);
  if (stated > 0 && stated !== facts.vocabSize)
    fail(op, `${file}: vocab_size is ${stated}, the embedding has ${facts.vocabSize} rows.`);
  const [dim, nHeads] = [number('dim'), number('n_heads')];
  const ropeTheta = number('rope_theta', 10000);
  const scaling = readScaling(fields, number, dim, number('n_layers'));
  const context = scaling ? 131072 : ropeTheta >= 500000 ? 8192 : 2048;
  try {
    return llamaConfig({
      dim,
      nHeads,
      nLayers: number('n_layers'),
      nKvHeads: number('n_kv_heads', nHeads),
      headDim: number('head_dim', dim / nHeads),
      ffnDim: facts.ffnDim,
      vocabSize: facts.vocabSize,
      contextLength: number('max_seq_len', context),
      normEps: number('norm_eps', 1e-5),
      ropeTheta,
      ...(scaling ? { ropeScaling: scaling } : {}),
      ...facts.biases,
      tiedEmbeddings: readTied(file, fields, facts),
    });
  } catch (error) {
    if (!(error instanceof CriaError) || error.op === op) throw error;
    return fail(op, `${file}: ${error.message}`, undefined, error);
  }
}

/**
 * Meta's code knows no tied matrices: files without an output matrix are not whole, unless our own
 * field says that they are.
 */
function readTied(file: string, fields: Fields, { hasOutput }: MetaFacts): boolean {
  const tied = fields['tie_word_embeddings'] === true;
  if (!tied && !hasOutput) {
    const hint =
      'a file of the checkpoint is damaged or missing; "tie_word_embeddings": true would say that it is the embedding';
    fail('openCheckpoint', `the weights beside ${file} have no output.weight.`, hint);
  }
  return tied;
}

function readScaling(
  fields: Fields,
  number: (name: string, absent?: number) => number,
  dim: number,
  layers: number,
): RopeScaling | undefined {
  if (fields['use_scaled_rope'] !== true) return undefined;
  const small = (dim === 2048 && layers === 16) || (dim === 3072 && layers === 28);
  return {
    factor: number('rope_scale_factor', small ? 32 : SCALING.factor),
    lowFreqFactor: number('rope_low_freq_factor', SCALING.lowFreqFactor),
    highFreqFactor: number('rope_high_freq_factor', SCALING.highFreqFactor),
    originalContextLength: number('rope_original_max_seq_len', SCALING.originalContextLength),
  };
}

/**
 * A `params.json` from which Meta's code builds the same model; what it has no field for goes into
 * fields of ours.
 */
export function toMetaParams(config: LlamaConfig): Record<string, unknown> {
  const ropeScaling = llama3Scaling('params.json', config);
  if (config.slidingWindow !== undefined)
    fail('params.json', `a sliding window of ${config.slidingWindow} has no place in Meta's format.`);
  const usual = config.headDim === config.dim / config.nHeads;
  return {
    dim: config.dim,
    n_layers: config.nLayers,
    n_heads: config.nHeads,
    n_kv_heads: config.nKvHeads,
    vocab_size: config.vocabSize,
    ...feedForwardFields(config),
    norm_eps: config.normEps,
    rope_theta: config.ropeTheta,
    ...(ropeScaling
      ? {
          use_scaled_rope: true,
          rope_scale_factor: ropeScaling.factor,
          rope_low_freq_factor: ropeScaling.lowFreqFactor,
          rope_high_freq_factor: ropeScaling.highFreqFactor,
          rope_original_max_seq_len: ropeScaling.originalContextLength,
        }
      : {}),
    ...(usual ? {} : { head_dim: config.headDim }),
    ...(config.tiedEmbeddings ? { tie_word_embeddings: true } : {}),
    max_seq_len: config.contextLength,
  };
}

/** `multiple_of` and, if need be, `ffn_dim_multiplier` with which Meta's rule gives this width. */
function feedForwardFields({ dim, ffnDim }: LlamaConfig): Record<string, number> {
  for (let multipleOf = 256; multipleOf >= 1; multipleOf /= 2) {
    if (feedForwardDim(dim, { multipleOf }) === ffnDim) return { multiple_of: multipleOf };
  }
  const multiplier = (ffnDim + 0.5) / Math.trunc((8 * dim) / 3);
  return { multiple_of: 1, ffn_dim_multiplier: multiplier };
}
