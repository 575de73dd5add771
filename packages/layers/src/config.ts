import { checkOptions, fail } from '@cria/tensor';

/** Llama 3.1's stretching of long RoPE wavelengths (section "rope_type llama3" of the model cards' code). */
export interface RopeScaling {
  /** Long wavelengths grow by this. */
  readonly factor: number;
  /** Wavelengths above originalContextLength / lowFreqFactor grow by the whole factor. */
  readonly lowFreqFactor: number;
  /** Wavelengths below originalContextLength / highFreqFactor stay. */
  readonly highFreqFactor: number;
  /** Context of the training before the stretching, in tokens. */
  readonly originalContextLength: number;
}

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
  'tiedEmbeddings',
] as const satisfies readonly (keyof LlamaConfig)[];
const SCALING_FIELDS = ['factor', 'lowFreqFactor', 'highFreqFactor', 'originalContextLength'] as const;

/**
 * A whole configuration from the fields that differ from LLaMA 1: kv heads as many as heads, headDim = dim / nHeads, ffnDim by the
 * rule of `feedForwardDim`, context 2048, eps 1e-5, θ 10000, no scaling, untied. Throws on unknown names and on shapes that cannot be.
 */
export function llamaConfig(fields: LlamaConfigFields): LlamaConfig {
  checkOptions('llamaConfig', fields, FIELDS);
  const { dim, nLayers, nHeads, vocabSize } = fields;
  const { ropeScaling, nKvHeads = nHeads, headDim = dim / nHeads } = fields;
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
    ...(ropeScaling === undefined ? {} : { ropeScaling }),
    tiedEmbeddings: fields.tiedEmbeddings ?? false,
  };
  checkConfig(config);
  return Object.freeze(config);
}

/**
 * F by the rule of Meta's code: two thirds of 4·dim, times the multiplier of later releases, rounded up to a multiple of 256.
 * Both truncations count: 4096 → 10922 → 11008.
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
  const attention = 2 * dim * headDim * (nHeads + nKvHeads);
  const feedForward = 3 * dim * ffnDim;
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
}

function checkScaling(scaling: RopeScaling): void {
  checkOptions('llamaConfig.ropeScaling', scaling, SCALING_FIELDS);
  for (const name of SCALING_FIELDS) checkPositive(`ropeScaling.${name}`, scaling[name]);
  const { lowFreqFactor, highFreqFactor } = scaling;
  if (!(lowFreqFactor < highFreqFactor)) {
    fail(
      'llamaConfig',
      `ropeScaling goes from lowFreqFactor ${lowFreqFactor} to highFreqFactor ${highFreqFactor}.`,
      'low must lie below high',
    );
  }
}

function checkPositive(name: string, value: number): void {
  if (!(Number.isFinite(value) && value > 0))
    fail('llamaConfig', `${name} is ${value}.`, 'give a number above 0');
}
