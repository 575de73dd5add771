/*
 * Inside, weights have the names of Meta's checkpoints; here are the maps to and from Hugging Face's and GGUF's.
 */

const inLayer: readonly (readonly [canonical: string, huggingFace: string])[] = [
  ['attention_norm', 'input_layernorm'],
  ['attention.wq', 'self_attn.q_proj'],
  ['attention.wk', 'self_attn.k_proj'],
  ['attention.wv', 'self_attn.v_proj'],
  ['attention.wo', 'self_attn.o_proj'],
  ['ffn_norm', 'post_attention_layernorm'],
  ['feed_forward.w1', 'mlp.gate_proj'],
  ['feed_forward.w2', 'mlp.down_proj'],
  ['feed_forward.w3', 'mlp.up_proj'],
];

/** What GGUF calls the parts (`blk.N.…`, gguf-py tensor_mapping.py). */
const ggufInLayer: readonly (readonly [canonical: string, gguf: string])[] = [
  ['attention_norm', 'attn_norm'],
  ['attention.wq', 'attn_q'],
  ['attention.wk', 'attn_k'],
  ['attention.wv', 'attn_v'],
  ['attention.wo', 'attn_output'],
  ['ffn_norm', 'ffn_norm'],
  ['feed_forward.w1', 'ffn_gate'],
  ['feed_forward.w2', 'ffn_down'],
  ['feed_forward.w3', 'ffn_up'],
];

const ggufOutside: readonly (readonly [canonical: string, gguf: string])[] = [
  ['tok_embeddings', 'token_embd'],
  ['norm', 'output_norm'],
  ['output', 'output'],
];

const outside: readonly (readonly [canonical: string, huggingFace: string])[] = [
  ['tok_embeddings', 'model.embed_tokens'],
  ['norm', 'model.norm'],
  ['output', 'lm_head'],
];

type Pairs = readonly (readonly [canonical: string, other: string])[];

/** Both directions of a naming whose layers are `prefix` N `.`. */
function naming(prefix: string, layerPairs: Pairs, otherPairs: Pairs) {
  const swap = (pairs: Pairs) => new Map(pairs.map(([canonical, name]) => [name, canonical]));
  const map = (
    from: string,
    layers: ReadonlyMap<string, string>,
    others: ReadonlyMap<string, string>,
    to: string,
  ) => {
    const pattern = new RegExp(`^(?:${from.replaceAll('.', '\\.')}(0|[1-9]\\d*)\\.)?(.+)\\.weight$`);
    return (name: string): string | undefined => {
      const [, layer, part] = pattern.exec(name) ?? [];
      if (part === undefined) return undefined;
      const mapped = layer === undefined ? others.get(part) : layers.get(part);
      return mapped && (layer === undefined ? `${mapped}.weight` : `${to}${layer}.${mapped}.weight`);
    };
  };
  return {
    to: map('layers.', new Map(layerPairs), new Map(otherPairs), prefix),
    from: map(prefix, swap(layerPairs), swap(otherPairs), 'layers.'),
  };
}

const huggingFace = naming('model.layers.', inLayer, outside);
const gguf = naming('blk.', ggufInLayer, ggufOutside);

/** `layers.3.attention.wq.weight` → `model.layers.3.self_attn.q_proj.weight`; undefined for a name that LLaMA has not. */
export const toHuggingFaceName: (name: string) => string | undefined = huggingFace.to;

/** `model.layers.3.self_attn.q_proj.weight` → `layers.3.attention.wq.weight`; undefined for a name that LLaMA has not. */
export const fromHuggingFaceName: (name: string) => string | undefined = huggingFace.from;

/** `layers.3.attention.wq.weight` → `blk.3.attn_q.weight`; undefined for a name that LLaMA has not. */
export const toGgufName: (name: string) => string | undefined = gguf.to;

/** `blk.3.attn_q.weight` → `layers.3.attention.wq.weight`; undefined for a name that LLaMA has not. */
export const fromGgufName: (name: string) => string | undefined = gguf.from;

/** Rotary tables that old files carry; they follow from the configuration. */
export function isRotaryTable(name: string): boolean {
  return /(^|\.)(rotary_emb\.inv_freq|rope\.freqs|attn_rot_embd(\.weight)?)$/.test(name);
}

/** The matrices whose rows RoPE pairs: their order differs between Meta's and Hugging Face's files. */
export function isRotated(canonicalName: string): boolean {
  return /\.attention\.w[qk]\.weight$/.test(canonicalName);
}
