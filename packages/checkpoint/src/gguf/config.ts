import { type LlamaConfig, llamaConfig, type LlamaConfigFields } from '@cria/layers';
import { CriaError, fail } from '@cria/tensor';
import type { GgufEntry, GgufMetadata } from '@cria/tokenizer';
import type { SpecialIds } from '../checkpoint.ts';
import { entryValue } from './entry-value.ts';
import { ggufScaling, readGgufScaling } from './rope.ts';
import { shortest } from './shortest.ts';

const op = 'openCheckpoint';

const WINDOW = 'llama.attention.sliding_window';
const WINDOW_LAYERS = 'llama.attention.sliding_window_pattern';

/** Ids that end a text beyond the three that GGUF has keys for. Others ignore it. */
const MORE_ENDS = 'cria.more_eos_token_ids';

/** What a GGUF tells about the model beyond its metadata. */
export interface GgufFacts {
  /** Rows of the embedding. */
  readonly vocabSize: number;
  readonly tiedEmbeddings: boolean;
  /** Biases, which no key tells: tensors of the first block. */
  readonly biases: Pick<LlamaConfig, 'attentionBias' | 'mlpBias'>;
  /** Values of `rope_freqs.weight`, where it is there. */
  readonly ropeDivisors: Float32Array | undefined;
}

/**
 * The configuration in the metadata of a `llama` file. Whatever would change the mathematics and is
 * not known here is refused.
 */
export function parseGgufConfig(file: string, metadata: GgufMetadata, facts: GgufFacts): LlamaConfig {
  const read = reader(file, metadata);
  const architecture = entryValue(op, file, metadata, 'general.architecture', 'string');
  if (architecture !== 'llama')
    fail(
      op,
      `${file}: general.architecture is ${JSON.stringify(architecture)}.`,
      'only LLaMA models ("llama") are read',
    );
  const dim = read('llama.embedding_length');
  const nHeads = read('llama.attention.head_count');
  const headDim = read('llama.attention.key_length', dim / nHeads);
  for (const key of ['llama.attention.value_length', 'llama.rope.dimension_count']) {
    if (read(key, headDim) !== headDim)
      fail(op, `${file}: ${key} is ${read(key)}, heads have ${headDim}.`, 'LLaMA has one width of heads');
  }
  if (read('llama.expert_count', 0) !== 0)
    fail(
      op,
      `${file}: llama.expert_count is ${read('llama.expert_count')}.`,
      'mixtures of experts are not read',
    );
  const ropeTheta = shortest(read('llama.rope.freq_base', 10000));
  const contextLength = read('llama.context_length');
  const fields = {
    dim,
    nHeads,
    headDim,
    nLayers: read('llama.block_count'),
    nKvHeads: read('llama.attention.head_count_kv', nHeads),
    ffnDim: read('llama.feed_forward_length'),
    vocabSize: facts.vocabSize,
    contextLength,
    normEps: shortest(read('llama.attention.layer_norm_rms_epsilon')),
    ropeTheta,
    tiedEmbeddings: facts.tiedEmbeddings,
    ...facts.biases,
    ...readWindow(file, metadata),
  };
  try {
    const positions = { headDim, ropeTheta, contextLength, divisors: facts.ropeDivisors };
    const scaling = readGgufScaling(file, metadata, positions);
    return llamaConfig({ ...fields, ...(scaling ? { ropeScaling: scaling } : {}) });
  } catch (error) {
    if (!(error instanceof CriaError) || error.op === op) throw error;
    return fail(op, `${file}: ${error.message}`, undefined, error);
  }
}

/**
 * The keys that llama.cpp needs for this configuration, and ours for the settings behind
 * `rope_freqs.weight`.
 */
export function ggufConfigMetadata(config: LlamaConfig): Map<string, GgufEntry> {
  const u32 = (value: number): GgufEntry => ({ type: 'u32', value });
  const f32 = (value: number): GgufEntry => ({ type: 'f32', value });
  const entries: [string, GgufEntry][] = [
    ['llama.vocab_size', u32(config.vocabSize)],
    ['llama.context_length', u32(config.contextLength)],
    ['llama.embedding_length', u32(config.dim)],
    ['llama.block_count', u32(config.nLayers)],
    ['llama.feed_forward_length', u32(config.ffnDim)],
    ['llama.rope.dimension_count', u32(config.headDim)],
    ['llama.rope.freq_base', f32(config.ropeTheta)],
    ['llama.attention.head_count', u32(config.nHeads)],
    ['llama.attention.head_count_kv', u32(config.nKvHeads)],
    ['llama.attention.layer_norm_rms_epsilon', f32(config.normEps)],
    ['llama.attention.key_length', u32(config.headDim)],
    ['llama.attention.value_length', u32(config.headDim)],
  ];
  entries.push(...ggufScaling(config.ropeScaling));
  const { slidingWindow, slidingLayers } = config;
  if (slidingWindow !== undefined) entries.push([WINDOW, u32(slidingWindow)]);
  if (slidingLayers) entries.push([WINDOW_LAYERS, { type: 'array', of: 'bool', value: [...slidingLayers] }]);
  return new Map(entries);
}

/** bos, the ids that end a text, padding. */
export function parseGgufSpecialIds(file: string, metadata: GgufMetadata): SpecialIds {
  const id = (name: string) => {
    const value = entryValue(op, file, metadata, `tokenizer.ggml.${name}_token_id`, 'number');
    return typeof value === 'number' ? value : undefined;
  };
  const eos = [id('eos'), id('eot'), id('eom')].filter((each) => each !== undefined);
  const more = metadata.get(MORE_ENDS);
  if (more?.type === 'array') eos.push(...Array.from(more.value, Number));
  return { bos: id('bos'), eos: [...new Set(eos)], pad: id('padding') };
}

/**
 * `tokenizer.ggml.*_token_id` of these ids; the second and third id that end a text are eot and
 * eom, further ones stand under a key of ours.
 */
export function ggufSpecialIds(ids: Partial<SpecialIds>): Map<string, GgufEntry> {
  const [eos, eot, eom, ...more] = ids.eos ?? [];
  const named = { bos: ids.bos, eos, eot, eom, padding: ids.pad };
  const entries = new Map(
    Object.entries(named).flatMap(([name, value]): [string, GgufEntry][] =>
      value === undefined ? [] : [[`tokenizer.ggml.${name}_token_id`, { type: 'u32', value }]],
    ),
  );
  if (more.length > 0) entries.set(MORE_ENDS, { type: 'array', of: 'u32', value: more });
  return entries;
}

/**
 * llama.cpp's programs have no window for files of this architecture: they give the same up to its
 * length.
 */
function readWindow(file: string, metadata: GgufMetadata): Partial<LlamaConfigFields> {
  const window = entryValue(op, file, metadata, WINDOW, 'number') ?? 0;
  if (typeof window !== 'number' || window === 0) return {};
  const layers = metadata.get(WINDOW_LAYERS);
  if (!layers) return { slidingWindow: window };
  if (layers.type !== 'array') return fail(op, `${file}: ${WINDOW_LAYERS} is ${layers.type}.`);
  return { slidingWindow: window, slidingLayers: Array.from(layers.value, Boolean) };
}

function reader(file: string, metadata: GgufMetadata) {
  return (key: string, absent?: number): number => {
    const value = entryValue(op, file, metadata, key, 'number') ?? absent;
    if (typeof value !== 'number' || !Number.isFinite(value))
      return fail(op, `${file}: ${key} is ${value === undefined ? 'missing' : String(value)}.`);
    return value;
  };
}
