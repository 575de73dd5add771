import { type LlamaConfig, llamaConfig, type LlamaConfigFields } from '@cria/layers';
import { type ComputeDType, CriaError, fail } from '@cria/tensor';
import type { SpecialIds } from '../checkpoint.ts';
import { families, type Family } from '../families.ts';
import { checkRecord, type Fields, flag, positive, show, wholeNumber } from './fields.ts';
import { readRope, toRopeScaling } from './rope.ts';

export interface HuggingFaceConfig {
  readonly config: LlamaConfig;
  readonly specialIds: SpecialIds;
}

/**
 * The configuration in a `config.json`. Absent fields have the defaults of the family's class in
 * transformers, but the five that fix the size of the model must be there. Whatever would change
 * the mathematics and is not known here is refused, not ignored.
 *
 * @param file for messages.
 */
export function parseHuggingFaceConfig(json: unknown, file = 'config.json'): HuggingFaceConfig {
  const fields = checkRecord(file, 'the configuration', json);
  const family = familyOf(file, fields);
  checkMathematics(file, fields);
  const dim = wholeNumber(file, fields, 'hidden_size');
  const nHeads = wholeNumber(file, fields, 'num_attention_heads');
  const nLayers = wholeNumber(file, fields, 'num_hidden_layers');
  const { kvHeads = nHeads, normEps } = family.defaults;
  const rope = readRope(file, fields, family);
  try {
    const config = llamaConfig({
      dim,
      nHeads,
      nLayers,
      nKvHeads: wholeNumber(file, fields, 'num_key_value_heads', kvHeads),
      headDim: wholeNumber(file, fields, 'head_dim', dim / nHeads),
      ffnDim: wholeNumber(file, fields, 'intermediate_size'),
      vocabSize: wholeNumber(file, fields, 'vocab_size'),
      normEps: positive(file, fields, 'rms_norm_eps', normEps),
      ...rope,
      ...readBiases(file, fields, family),
      ...readWindow(file, fields, family, nLayers),
      tiedEmbeddings: flag(file, fields, 'tie_word_embeddings', false),
      ...readOwn(file, fields),
    });
    return { config, specialIds: readSpecialIds(file, fields) };
  } catch (error) {
    if (!(error instanceof CriaError) || error.op !== 'llamaConfig') throw error;
    return fail('config.json', `${file}: ${error.message}`, undefined, error);
  }
}

/**
 * What only a field of ours can say where transformers has no class for it: the configuration of a
 * training state is exact.
 */
const OWN = 'cria';

export interface ToHuggingFaceOptions {
  readonly dtype?: ComputeDType;
  readonly specialIds?: Partial<SpecialIds>;
  /**
   * Say in a field of ours what transformers has no field for, instead of refusing it. Default
   * false.
   */
  readonly own?: boolean;
}

/**
 * A `config.json` that transformers and everything that follows it load. Throws where no class
 * there computes this.
 */
export function toHuggingFaceConfig(
  config: LlamaConfig,
  options: ToHuggingFaceOptions = {},
): Record<string, unknown> {
  const { own = false } = options;
  const { bos, eos = [], pad } = options.specialIds ?? {};
  const names = { f32: 'float32', bf16: 'bfloat16', f16: 'float16', f64: 'float64' };
  const rarities = own ? raritiesOf(config) : {};
  const exact = Object.keys(rarities).length > 0;
  const { modelType, architectures, window } = exact ? families[0]! : familyFor(config);
  const scaling = exact ? null : toRopeScaling(config.ropeScaling);
  return {
    architectures: architectures.slice(0, 1),
    model_type: modelType,
    vocab_size: config.vocabSize,
    hidden_size: config.dim,
    intermediate_size: config.ffnDim,
    num_hidden_layers: config.nLayers,
    num_attention_heads: config.nHeads,
    num_key_value_heads: config.nKvHeads,
    head_dim: config.headDim,
    hidden_act: 'silu',
    max_position_embeddings: exact ? config.contextLength : textLength(config),
    initializer_range: 0.02,
    rms_norm_eps: config.normEps,
    rope_theta: config.ropeTheta,
    rope_scaling: scaling,
    ...(window ? { sliding_window: config.slidingWindow ?? null } : {}),
    tie_word_embeddings: config.tiedEmbeddings,
    attention_bias: config.attentionBias !== undefined,
    mlp_bias: config.mlpBias ?? false,
    bos_token_id: bos ?? null,
    eos_token_id: eos.length > 1 ? eos : (eos[0] ?? null),
    pad_token_id: pad ?? null,
    pretraining_tp: 1,
    torch_dtype: names[options.dtype ?? 'f32'],
    ...(exact ? { [OWN]: rarities } : {}),
  };
}

/** Fields beside those that Llama's own releases have. */
function raritiesOf(config: LlamaConfig): Partial<LlamaConfig> {
  const { ropeScaling: scaling, attentionBias, mlpBias, slidingWindow, slidingLayers } = config;
  const usual = scaling === undefined || (scaling.type ?? 'llama3') === 'llama3';
  return {
    ...(usual && scaling?.attentionFactor === undefined ? {} : { ropeScaling: scaling }),
    ...(attentionBias === undefined ? {} : { attentionBias }),
    ...(mlpBias === undefined ? {} : { mlpBias }),
    ...(slidingWindow === undefined ? {} : { slidingWindow }),
    ...(slidingLayers === undefined ? {} : { slidingLayers }),
  } as Partial<LlamaConfig>; // ropeScaling is there where it is not usual
}

/** What `own` wrote. */
function readOwn(file: string, fields: Fields): Partial<LlamaConfigFields> {
  if (fields[OWN] === undefined) return {};
  const { ropeScaling, attentionBias, mlpBias, slidingWindow, slidingLayers, ...unknown } = checkRecord(
    file,
    OWN,
    fields[OWN],
  );
  const [name] = Object.keys(unknown);
  if (name !== undefined) fail('config.json', `${file}: ${OWN} has a field "${name}".`);
  const known = { ropeScaling, attentionBias, mlpBias, slidingWindow, slidingLayers };
  // llamaConfig checks what they are.
  return Object.fromEntries(
    Object.entries(known).filter(([, value]) => value !== undefined),
  ) as Partial<LlamaConfigFields>;
}

/** The family whose class in transformers computes what a configuration says. */
function familyFor(config: LlamaConfig): Family {
  const { slidingWindow, slidingLayers, attentionBias, mlpBias } = config;
  if (slidingLayers?.includes(false))
    fail(
      'config.json',
      'a window in some layers only has no place in a config.json of a LLaMA or a Mistral.',
    );
  const biased = attentionBias !== undefined || mlpBias === true;
  const found = families.find(
    ({ window, biases }) => (window !== undefined) === (slidingWindow !== undefined) && (biases || !biased),
  );
  return found ?? fail('config.json', 'biases beside a sliding window have no place in a config.json.');
}

/** `max_position_embeddings`: what θ of dynamic scaling goes by, else the context. */
function textLength({ ropeScaling, contextLength }: LlamaConfig): number {
  return ropeScaling?.type === 'dynamic' ? ropeScaling.originalContextLength : contextLength;
}

function familyOf(file: string, fields: Fields): Family {
  const { model_type: type, architectures } = fields;
  const named = Array.isArray(architectures) ? architectures : [];
  const found = families.find((family) =>
    type === undefined
      ? family.architectures.some((each) => named.includes(each))
      : family.modelType === type,
  );
  return (
    found ??
    fail(
      'config.json',
      `${file}: model_type is ${show(type)}, architectures ${show(architectures)}.`,
      `only LLaMA models and their like (${families.map(({ modelType }) => `"${modelType}"`).join(', ')}) are read`,
    )
  );
}

/** What would change the mathematics of every family. */
function checkMathematics(file: string, fields: Fields): void {
  const { hidden_act: activation, quantization_config: quantization = null } = fields;
  if (activation !== undefined && activation !== 'silu' && activation !== 'swish')
    fail('config.json', `${file}: hidden_act is ${show(activation)}.`, 'LLaMA has silu');
  if (quantization !== null)
    fail('config.json', `${file} has a quantization_config.`, 'load the original weights');
}

function readBiases(file: string, fields: Fields, { biases, modelType }: Family): Partial<LlamaConfigFields> {
  const [attention, mlp] = ['attention_bias', 'mlp_bias'].map((name) => {
    const given = flag(file, fields, name, false);
    if (given && !biases) fail('config.json', `${file}: ${name} is true, and model_type "${modelType}".`);
    return given;
  });
  return { ...(attention ? { attentionBias: 'all' } : {}), ...(mlp ? { mlpBias: true } : {}) };
}

/** `sliding_window`, in the layers that `layer_types` names where it is there. */
function readWindow(
  file: string,
  fields: Fields,
  { window }: Family,
  nLayers: number,
): Partial<LlamaConfigFields> {
  const types = fields['layer_types'] ?? undefined;
  const sliding = Array.isArray(types) ? types.map((type) => type === 'sliding_attention') : undefined;
  if (!window) {
    if (sliding?.includes(true)) fail('config.json', `${file}: layer_types has sliding_attention.`);
    return {};
  }
  if (fields['sliding_window'] === null) return {};
  const slidingWindow = wholeNumber(file, fields, 'sliding_window', window.absent);
  if (!sliding) return { slidingWindow };
  if (sliding.length !== nLayers)
    fail('config.json', `${file}: layer_types has ${sliding.length} layers, the model ${nLayers}.`);
  if (!sliding.includes(true)) return {};
  return { slidingWindow, ...(sliding.includes(false) ? { slidingLayers: sliding } : {}) };
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
