/*
 * Inside, weights have the names of Meta's checkpoints; here are the maps to and from Hugging Face's (paper.md: "Names").
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

const outside: readonly (readonly [canonical: string, huggingFace: string])[] = [
  ['tok_embeddings', 'model.embed_tokens'],
  ['norm', 'model.norm'],
  ['output', 'lm_head'],
];

const toLayer = new Map(inLayer);
const fromLayer = new Map(inLayer.map(([canonical, name]) => [name, canonical]));
const toOutside = new Map(outside);
const fromOutside = new Map(outside.map(([canonical, name]) => [name, canonical]));

/** `layers.3.attention.wq.weight` → `model.layers.3.self_attn.q_proj.weight`; undefined for a name that LLaMA has not. */
export function toHuggingFaceName(name: string): string | undefined {
  const [, layer, part] = /^(?:layers\.(0|[1-9]\d*)\.)?(.+)\.weight$/.exec(name) ?? [];
  if (part === undefined) return undefined;
  const mapped = layer === undefined ? toOutside.get(part) : toLayer.get(part);
  return mapped && (layer === undefined ? `${mapped}.weight` : `model.layers.${layer}.${mapped}.weight`);
}

/** `model.layers.3.self_attn.q_proj.weight` → `layers.3.attention.wq.weight`; undefined for a name that LLaMA has not. */
export function fromHuggingFaceName(name: string): string | undefined {
  const [, layer, part] = /^(?:model\.layers\.(0|[1-9]\d*)\.)?(.+)\.weight$/.exec(name) ?? [];
  if (part === undefined) return undefined;
  const mapped = layer === undefined ? fromOutside.get(part) : fromLayer.get(part);
  return mapped && (layer === undefined ? `${mapped}.weight` : `layers.${layer}.${mapped}.weight`);
}

/** Rotary tables that old files carry; they follow from the configuration. */
export function isRotaryTable(name: string): boolean {
  return /(^|\.)(rotary_emb\.inv_freq|rope\.freqs)$/.test(name);
}

/** The matrices whose rows RoPE pairs: their order differs between Meta's and Hugging Face's files. */
export function isRotated(canonicalName: string): boolean {
  return /\.attention\.w[qk]\.weight$/.test(canonicalName);
}
