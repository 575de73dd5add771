import type { LlamaConfig } from '@cria/layers';
import { dtypes, fail, nearestName } from '@cria/tensor';
import { type BlockDType, blockDTypes } from '../dtypes.ts';
import type { QuantizedDType } from '../weight-form.ts';

/**
 * The mixes that `llama-quantize` makes, with the type that most weights get and
 * `general.file_type`.
 */
export const mixes = {
  Q8_0: { base: 'Q8_0', fileType: 7 },
  Q4_0: { base: 'Q4_0', fileType: 2 },
  Q4_1: { base: 'Q4_1', fileType: 3 },
  Q5_0: { base: 'Q5_0', fileType: 8 },
  Q5_1: { base: 'Q5_1', fileType: 9 },
  Q4_K_S: { base: 'Q4_K', fileType: 14 },
  Q4_K_M: { base: 'Q4_K', fileType: 15 },
  Q5_K_S: { base: 'Q5_K', fileType: 16 },
  Q5_K_M: { base: 'Q5_K', fileType: 17 },
  Q6_K: { base: 'Q6_K', fileType: 18 },
} as const satisfies Record<string, { base: QuantizedDType; fileType: number }>;

export type Mix = keyof typeof mixes;

/** The mix of that name, in any case; throws with the nearest one. */
export function parseMix(op: string, name: string): Mix {
  const upper = name.toUpperCase();
  if (Object.hasOwn(mixes, upper)) return upper as Mix;
  const nearest = nearestName(name, Object.keys(mixes));
  const hint = nearest ? `did you mean ${nearest}?` : `known are ${Object.keys(mixes).join(', ')}`;
  return fail(op, `there is no mix "${name}".`, hint);
}

/**
 * The type of one weight in a mix (llama.cpp src/llama-quant.cpp llama_tensor_get_type and
 * tensor_type_fallback). Vectors stay F32; the output matrix, or an embedding that stands for it,
 * gets Q6_K in every mix but Q8_0.
 *
 * @param columns length of a row; what does not divide into blocks falls back to a finer type.
 */
export function mixDType(
  mix: Mix,
  name: string,
  columns: number,
  config: LlamaConfig,
  options: { readonly weighted?: boolean } = {},
): QuantizedDType | 'F16' | 'F32' {
  if (name.endsWith('norm.weight') || name.endsWith('.bias')) return 'F32';
  return fallback(wanted(mix, name, columns, config, options.weighted ?? false), columns);
}

function wanted(
  mix: Mix,
  name: string,
  columns: number,
  config: LlamaConfig,
  weighted: boolean,
): QuantizedDType {
  const { base } = mixes[mix];
  if (name === 'output.weight' || (name === 'tok_embeddings.weight' && config.tiedEmbeddings)) {
    if (base === 'Q8_0' || columns % dtypes[blockDTypes[base]].blockSize !== 0) return 'Q8_0';
    return 'Q6_K';
  }
  const { nLayers: L } = config;
  const [, layer = '', part = ''] = /^layers\.(\d+)\.(.+)\.weight$/.exec(name) ?? [];
  const i = Number(layer);
  const early = i < Math.trunc(L / 8);
  if (part === 'attention.wv') {
    const dtype =
      (mix === 'Q4_K_M' || mix === 'Q5_K_M') && moreBits(i, L)
        ? 'Q6_K'
        : mix === 'Q4_K_S' && i < 4
          ? 'Q5_K'
          : base;
    return is70B(config) && dtype === 'Q4_K' ? 'Q5_K' : dtype;
  }
  if (part === 'feed_forward.w2') {
    if ((mix === 'Q4_K_M' || mix === 'Q5_K_M') && moreBits(i, L)) return 'Q6_K';
    if (mix === 'Q4_K_S' && early) return 'Q5_K';
    if (weighted && early && mix === 'Q4_0') return 'Q4_1';
    if (weighted && early && mix === 'Q5_0') return 'Q5_1';
  }
  return base;
}

/** The first and last eighth of the layers, and every third between. */
function moreBits(i: number, L: number): boolean {
  const eighth = Math.trunc(L / 8);
  return i < eighth || i >= Math.trunc((7 * L) / 8) || (i - eighth) % 3 === 2;
}

/** How llama.cpp tells the 70B: 80 layers with fewer kv heads than heads. */
function is70B({ nLayers, nHeads, nKvHeads }: LlamaConfig): boolean {
  return nLayers === 80 && nHeads !== nKvHeads;
}

function fallback(dtype: QuantizedDType, columns: number): QuantizedDType | 'F16' {
  const fits = (each: BlockDType) => columns % dtypes[blockDTypes[each]].blockSize === 0;
  if (fits(dtype)) return dtype;
  const finer = ({ Q4_K: 'Q5_0', Q5_K: 'Q5_1', Q6_K: 'Q8_0' } as const)[dtype as 'Q4_K'];
  return finer !== undefined && fits(finer) ? finer : 'F16';
}
