import type { LlamaConfig } from '@cria/layers';

/*
 * What models of LLaMA's architecture are made of, and what they call themselves: the one place
 * where a relative is added. Readers and writers of every format go by these tables.
 */

/**
 * A part of the model: one weight, and the bias that goes with it where a configuration has one.
 */
export interface Part {
  /** Name inside and in Meta's files. */
  readonly canonical: string;
  readonly huggingFace: string;
  /** gguf-py tensor_mapping.py */
  readonly gguf: string;
  /**
   * Axis of the matrix that Meta's model-parallel ranks share; a bias along axis 0 is shared with
   * it.
   */
  readonly split?: 0 | 1;
  /** RoPE pairs its rows, whose order differs between Meta's and Hugging Face's files. */
  readonly rotated?: true;
  /** Whether it has a bias. */
  readonly bias?: (config: LlamaConfig) => boolean;
}

const withQueries = (config: LlamaConfig) => config.attentionBias !== undefined;
const withOutput = (config: LlamaConfig) => config.attentionBias === 'all';
const withGate = (config: LlamaConfig) => config.mlpBias === true;

/** Parts of block N: `layers.N.…`, `model.layers.N.…`, `blk.N.…`. */
export const blockParts: readonly Part[] = [
  { canonical: 'attention_norm', huggingFace: 'input_layernorm', gguf: 'attn_norm' },
  {
    canonical: 'attention.wq',
    huggingFace: 'self_attn.q_proj',
    gguf: 'attn_q',
    split: 0,
    rotated: true,
    bias: withQueries,
  },
  {
    canonical: 'attention.wk',
    huggingFace: 'self_attn.k_proj',
    gguf: 'attn_k',
    split: 0,
    rotated: true,
    bias: withQueries,
  },
  {
    canonical: 'attention.wv',
    huggingFace: 'self_attn.v_proj',
    gguf: 'attn_v',
    split: 0,
    bias: withQueries,
  },
  {
    canonical: 'attention.wo',
    huggingFace: 'self_attn.o_proj',
    gguf: 'attn_output',
    split: 1,
    bias: withOutput,
  },
  { canonical: 'ffn_norm', huggingFace: 'post_attention_layernorm', gguf: 'ffn_norm' },
  {
    canonical: 'feed_forward.w1',
    huggingFace: 'mlp.gate_proj',
    gguf: 'ffn_gate',
    split: 0,
    bias: withGate,
  },
  {
    canonical: 'feed_forward.w2',
    huggingFace: 'mlp.down_proj',
    gguf: 'ffn_down',
    split: 1,
    bias: withGate,
  },
  { canonical: 'feed_forward.w3', huggingFace: 'mlp.up_proj', gguf: 'ffn_up', split: 0, bias: withGate },
];

/** Parts outside the blocks. The embedding's axis is none of these: it differs between releases. */
export const endParts: readonly Part[] = [
  { canonical: 'tok_embeddings', huggingFace: 'model.embed_tokens', gguf: 'token_embd' },
  { canonical: 'norm', huggingFace: 'model.norm', gguf: 'output_norm' },
  { canonical: 'output', huggingFace: 'lm_head', gguf: 'output', split: 0 },
];

/**
 * A relative as its `config.json` describes it; the mathematics is one, what differs is what a
 * configuration may say and leave out.
 */
export interface Family {
  /** `model_type` */
  readonly modelType: string;
  /** `architectures`, for files without a model_type; the first is written. */
  readonly architectures: readonly string[];
  /** Whether `attention_bias` and `mlp_bias` count. */
  readonly biases: boolean;
  /** Whether `sliding_window` counts, and what its absence means (null means none). */
  readonly window?: { readonly absent: number };
  /** What absent fields mean, in the class that this family has in transformers or brings along. */
  readonly defaults: {
    readonly kvHeads?: number;
    readonly contextLength: number;
    readonly normEps: number;
    readonly ropeTheta: number;
  };
  /** Parts that it calls otherwise than Hugging Face's LLaMA. */
  readonly aliases?: Readonly<Record<string, string>>;
}

export const families: readonly Family[] = [
  {
    modelType: 'llama',
    architectures: ['LlamaForCausalLM', 'LLaMAForCausalLM', 'LlamaModel'],
    biases: true,
    defaults: { contextLength: 2048, normEps: 1e-6, ropeTheta: 10000 },
  },
  {
    modelType: 'mistral',
    architectures: ['MistralForCausalLM', 'MistralModel'],
    biases: false,
    window: { absent: 4096 },
    defaults: { kvHeads: 8, contextLength: 131072, normEps: 1e-6, ropeTheta: 10000 },
  },
  {
    // The first releases of 01.AI; later ones call themselves llama.
    modelType: 'Yi',
    architectures: ['YiForCausalLM'],
    biases: false,
    defaults: { kvHeads: 4, contextLength: 4096, normEps: 1e-5, ropeTheta: 5000000 },
    aliases: { ln1: 'input_layernorm', ln2: 'post_attention_layernorm' },
  },
];

/**
 * The weights and biases that a model of this configuration has, in the order of its layers; a tied
 * output matrix is left out.
 */
export function tensorNames(config: LlamaConfig): string[] {
  const layers = Array.from({ length: config.nLayers }, (_, i) =>
    blockParts.flatMap(({ canonical, bias }) => [
      `layers.${i}.${canonical}.weight`,
      ...(bias?.(config) ? [`layers.${i}.${canonical}.bias`] : []),
    ]),
  );
  return [
    'tok_embeddings.weight',
    ...layers.flat(),
    'norm.weight',
    ...(config.tiedEmbeddings ? [] : ['output.weight']),
  ];
}

/**
 * Which biases a file has, where its configuration does not say: by the tensors of its first block.
 */
export function biasesOf(
  has: (canonicalName: string) => boolean,
): Pick<LlamaConfig, 'attentionBias' | 'mlpBias'> {
  const first = (...parts: readonly string[]) => parts.some((part) => has(`layers.0.${part}.bias`));
  const output = first('attention.wo');
  const queries = first('attention.wq', 'attention.wk', 'attention.wv');
  return {
    ...(output ? { attentionBias: 'all' } : queries ? { attentionBias: 'qkv' } : {}),
    ...(first('feed_forward.w1', 'feed_forward.w2', 'feed_forward.w3') ? { mlpBias: true } : {}),
  };
}
