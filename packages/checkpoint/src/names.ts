import { blockParts, endParts, families, type Part } from './families.ts';

/*
 * Inside, weights have the names of Meta's checkpoints; here are the maps to and from Hugging
 * Face's and GGUF's.
 */

/** Both directions of a naming whose layers are `prefix` N `.`. */
function naming(prefix: string, nameOf: (part: Part) => string) {
  const canonicalOf = (part: Part) => part.canonical;
  const map = (from: string, key: (part: Part) => string, to: string, value: (part: Part) => string) => {
    const byName = (parts: readonly Part[]) => new Map(parts.map((part) => [key(part), part]));
    const [layers, ends] = [byName(blockParts), byName(endParts)];
    const pattern = new RegExp(`^(?:${from.replaceAll('.', '\\.')}(0|[1-9]\\d*)\\.)?(.+)\\.(weight|bias)$`);
    return (name: string): string | undefined => {
      const [, layer, part = '', what] = pattern.exec(name) ?? [];
      const found = layer === undefined ? ends.get(part) : layers.get(part);
      if (!found || (what === 'bias' && !found.bias)) return undefined;
      return `${layer === undefined ? '' : `${to}${layer}.`}${value(found)}.${what}`;
    };
  };
  return {
    to: map('layers.', canonicalOf, prefix, nameOf),
    from: map(prefix, nameOf, 'layers.', canonicalOf),
  };
}

const huggingFace = naming('model.layers.', (part) => part.huggingFace);
const gguf = naming('blk.', (part) => part.gguf);

/**
 * `layers.3.attention.wq.weight` → `model.layers.3.self_attn.q_proj.weight`; undefined for a name
 * that LLaMA has not.
 */
export const toHuggingFaceName: (name: string) => string | undefined = huggingFace.to;

/**
 * `model.layers.3.self_attn.q_proj.weight` → `layers.3.attention.wq.weight`; undefined for a name
 * that LLaMA has not.
 */
export const fromHuggingFaceName: (name: string) => string | undefined = huggingFace.from;

/**
 * `layers.3.attention.wq.weight` → `blk.3.attn_q.weight`; undefined for a name that LLaMA has not.
 */
export const toGgufName: (name: string) => string | undefined = gguf.to;

/**
 * `blk.3.attn_q.weight` → `layers.3.attention.wq.weight`; undefined for a name that LLaMA has not.
 */
export const fromGgufName: (name: string) => string | undefined = gguf.from;

/** What wrappers put before every name: data parallelism, torch.compile, PEFT. */
const WRAPPERS = /^(module|_orig_mod|base_model)\./;

/** A name without what wrappers of a model put before it. */
export function withoutWrappers(name: string): string {
  let rest = name;
  while (WRAPPERS.test(rest)) rest = rest.replace(WRAPPERS, '');
  return rest;
}

const aliases = new Map(families.flatMap((family) => Object.entries(family.aliases ?? {})));

/**
 * The canonical name of a tensor as Hugging Face files have it in practice: wrappers before it,
 * `model.` several times (PEFT) or not at all (a model saved without its head), and parts that a
 * relative calls otherwise. Undefined for a name that LLaMA has not.
 */
export function readHuggingFaceName(stored: string): string | undefined {
  let rest = withoutWrappers(stored);
  while (rest.startsWith('model.')) rest = withoutWrappers(rest.slice('model.'.length));
  const named = rest.replace(
    /^(layers\.\d+\.)([^.]+)\./,
    (_, layer: string, part: string) => `${layer}${aliases.get(part) ?? part}.`,
  );
  return fromHuggingFaceName(named) ?? fromHuggingFaceName(`model.${named}`);
}

/** Rotary tables that old files carry; they follow from the configuration. */
export function isRotaryTable(name: string): boolean {
  return /(^|\.)(rotary_emb\.inv_freq|rope\.freqs|attn_rot_embd(\.weight)?)$/.test(name);
}

const rotated = blockParts.filter((part) => part.rotated).map(({ canonical }) => canonical);

/**
 * The matrices whose rows RoPE pairs, and their biases: their order differs between Meta's and
 * Hugging Face's files.
 */
export function isRotated(canonicalName: string): boolean {
  const [, part = ''] = /^layers\.\d+\.(.+)\.(?:weight|bias)$/.exec(canonicalName) ?? [];
  return rotated.includes(part);
}
