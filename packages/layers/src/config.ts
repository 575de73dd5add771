import { checkOptions, fail } from '@cria/tensor';
import { checkScaling, type RopeScaling } from './rope-scaling.ts';

/** Everything that fixes the shapes and the mathematics of a LLaMA. */
export interface LlamaConfig {
  /** D, width of the residual stream. */
  readonly dim: number;
  /** L, number of blocks. */
  readonly nLayers: number;
  /** H, query heads. */
  readonly nHeads: number;
  /** K, key and value heads; query head h reads kv head floor(h · K / H). */
  readonly nKvHeads: number;
  /** E, width of a head; even. */
  readonly headDim: number;
  /** F, hidden width of the feed-forward network. */
  readonly ffnDim: number;
  /** V, number of token ids. */
  readonly vocabSize: number;
  /** Positions that exist: 0 to contextLength − 1. */
  readonly contextLength: number;
  /** Added to the mean square in every RMSNorm. */
  readonly normEps: number;
  /** θ of RoPE: pair j turns by position · θ^(−2j/E). */
  readonly ropeTheta: number;
  readonly ropeScaling?: RopeScaling;
  /**
   * A vector added after wq, wk and wv (`qkv`, as in Qwen 2), and after wo too (`all`, what Hugging
   * Face's LLaMA has). Absent: none.
   */
  readonly attentionBias?: 'qkv' | 'all';
  /** A vector added after w1, w2 and w3. Absent: none. */
  readonly mlpBias?: boolean;
  /** A row sees so many positions at most, its own among them (Mistral 7B v0.1). Absent: all before it. */
  readonly slidingWindow?: number;
  /** Which blocks have the window, where not all have it. */
  readonly slidingLayers?: readonly boolean[];
  /** The output matrix is the embedding matrix. */
  readonly tiedEmbeddings: boolean;
}

export type LlamaConfigFields = Partial<LlamaConfig> &
  Pick<LlamaConfig, 'dim' | 'nLayers' | 'nHeads' | 'vocabSize'>;

const FIELDS = [
  'dim',
  'nLayers',
  'nHeads',
  'nKvHeads',
  'headDim',
  'ffnDim',
  'vocabSize',
  'contextLength',
  'normEps',
  'ropeTheta',
  'ropeScaling',
  'attentionBias',
  'mlpBias',
  'slidingWindow',
  'slidingLayers',
  'tiedEmbeddings',
] as const satisfies readonly (keyof LlamaConfig)[];

/**
 * A whole configuration from the fields that differ from LLaMA 1: kv heads as many as heads,
 * headDim = dim / nHeads, ffnDim by the rule of `feedForwardDim`, context 2048, eps 1e-5, θ 10000,
 * no scaling, no bias, no window, untied. Throws on unknown names and on shapes that cannot be.
 */
export function llamaConfig(fields: LlamaConfigFields): LlamaConfig {
  checkOptions('llamaConfig', fields, FIELDS);
  const { dim, nLayers, nHeads, vocabSize } = fields;
  const { nKvHeads = nHeads, headDim = dim / nHeads } = fields;
  const config: LlamaConfig = {
    dim,
    nLayers,
    nHeads,
    nKvHeads,
    headDim,
    ffnDim: fields.ffnDim ?? feedForwardDim(dim),
    vocabSize,
    contextLength: fields.contextLength ?? 2048,
    normEps: fields.normEps ?? 1e-5,
    ropeTheta: fields.ropeTheta ?? 10000,
    ...rarities(fields),
    tiedEmbeddings: fields.tiedEmbeddings ?? false,
  };
  checkConfig(config);
  return Object.freeze(config);
}

/** What most models have not: only the fields that say something, so that equal models have equal configurations. */
function rarities(fields: LlamaConfigFields): Partial<LlamaConfig> {
  const { ropeScaling, attentionBias, mlpBias = false, slidingWindow, slidingLayers } = fields;
  return {
    ...(ropeScaling === undefined ? {} : { ropeScaling }),
    ...(attentionBias === undefined ? {} : { attentionBias }),
    ...(mlpBias === false ? {} : { mlpBias }),
    ...(slidingWindow === undefined ? {} : { slidingWindow }),
    ...(slidingLayers === undefined ? {} : { slidingLayers }),
  };
}

/** Positions that a row of this block sees, its own among them; undefined for all. */
export function windowOf(config: LlamaConfig, layer: number): number | undefined {
  return config.slidingLayers?.[layer] === false ? undefined : config.slidingWindow;
}

/**
 * F by the rule of Meta's code: two thirds of 4·dim, times the multiplier of later releases,
 * rounded up to a multiple of 256. Both truncations count: 4096 → 10922 → 11008.
 */
export function feedForwardDim(
  dim: number,
  options: { readonly multiplier?: number; readonly multipleOf?: number } = {},
): number {
  const { multiplier, multipleOf = 256 } = options;
  let hidden = Math.trunc((8 * dim) / 3);
  if (multiplier !== undefined) hidden = Math.trunc(multiplier * hidden);
  return multipleOf * Math.ceil(hidden / multipleOf);
}

/** Number of parameters; a matrix that is embedding and output at once counts once. */
export function countParameters(config: LlamaConfig): number {
  const { dim, nLayers, nHeads, nKvHeads, headDim, ffnDim, vocabSize } = config;
  const { attentionBias: bias, mlpBias } = config;
  const qkvBias = bias === undefined ? 0 : headDim * (nHeads + 2 * nKvHeads);
  const attention = 2 * dim * headDim * (nHeads + nKvHeads) + qkvBias + (bias === 'all' ? dim : 0);
  const feedForward = 3 * dim * ffnDim + (mlpBias ? 2 * ffnDim + dim : 0);
  const norms = 2 * dim;
  const ends = (config.tiedEmbeddings ? 1 : 2) * vocabSize * dim + dim;
  return nLayers * (attention + feedForward + norms) + ends;
}

function checkConfig(config: LlamaConfig): void {
  const { nHeads, nKvHeads, headDim, dim, ropeScaling } = config;
  if (!Number.isInteger(headDim)) {
    fail(
      'llamaConfig',
      `dim ${dim} does not divide into ${nHeads} heads.`,
      'give headDim, or a dim that is a multiple of nHeads',
    );
  }
  for (const name of [
    'dim',
    'nLayers',
    'nHeads',
    'nKvHeads',
    'headDim',
    'ffnDim',
    'vocabSize',
    'contextLength',
  ] as const) {
    if (!Number.isSafeInteger(config[name]) || config[name] < 1)
      fail('llamaConfig', `${name} is ${config[name]}.`, 'give a whole number above 0');
  }
  for (const name of ['normEps', 'ropeTheta'] as const) checkPositive(name, config[name]);
  if (typeof config.tiedEmbeddings !== 'boolean')
    fail('llamaConfig', `tiedEmbeddings is ${config.tiedEmbeddings}.`, 'give true or false');
  if (nHeads % nKvHeads !== 0)
    fail('llamaConfig', `${nHeads} heads cannot share ${nKvHeads} kv heads.`, 'nKvHeads must divide nHeads');
  if (headDim % 2 !== 0)
    fail('llamaConfig', `headDim is ${headDim}.`, 'RoPE turns pairs: a head needs an even width');
  if (ropeScaling) checkScaling(ropeScaling);
  checkRarities(config);
}

function checkRarities(config: LlamaConfig): void {
  const { attentionBias: bias, mlpBias, slidingWindow: window, slidingLayers: layers, nLayers } = config;
  if (bias !== undefined && bias !== 'qkv' && bias !== 'all')
    fail('llamaConfig', `attentionBias is ${JSON.stringify(bias)}.`, 'give "qkv" or "all", or leave it out');
  if (mlpBias !== undefined && typeof mlpBias !== 'boolean')
    fail('llamaConfig', `mlpBias is ${JSON.stringify(mlpBias)}.`, 'give true or false');
  if (window !== undefined && !(Number.isSafeInteger(window) && window >= 1))
    fail('llamaConfig', `slidingWindow is ${window}.`, 'give a whole number above 0, or leave it out');
  if (layers === undefined) return;
  if (window === undefined)
    fail('llamaConfig', 'slidingLayers are given without a slidingWindow.', 'give both or neither');
  if (!(
    Array.isArray(layers) &&
    layers.length === nLayers &&
    layers.every((one) => typeof one === 'boolean')
  ))
    fail(
      'llamaConfig',
      `slidingLayers is ${JSON.stringify(layers)}.`,
      `give true or false for each of ${nLayers} layers`,
    );
}

function checkPositive(name: string, value: number): void {
  if (!(Number.isFinite(value) && value > 0))
    fail('llamaConfig', `${name} is ${value}.`, 'give a number above 0');
}
