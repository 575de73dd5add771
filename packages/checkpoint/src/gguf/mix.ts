import type { LlamaConfig } from '@cria/layers';
import { dtypes, fail, nearestName, type QuantizableDType } from '@cria/tensor';

/**
 * The mixes that `llama-quantize` makes, with the type that most weights get and
 * `general.file_type`.
 */
export const mixes = {
  q8_0: { base: 'q8_0', fileType: 7 },
  q4_0: { base: 'q4_0', fileType: 2 },
  q4_1: { base: 'q4_1', fileType: 3 },
  q5_0: { base: 'q5_0', fileType: 8 },
  q5_1: { base: 'q5_1', fileType: 9 },
  q4_k_s: { base: 'q4_k', fileType: 14 },
  q4_k_m: { base: 'q4_k', fileType: 15 },
  q5_k_s: { base: 'q5_k', fileType: 16 },
  q5_k_m: { base: 'q5_k', fileType: 17 },
  q6_k: { base: 'q6_k', fileType: 18 },
} as const satisfies Record<string, { base: QuantizableDType; fileType: number }>;

export type Mix = keyof typeof mixes;

/** The mix of that name, which may be in llama-quantize's capitals; throws with the nearest one. */
export function parseMix(op: string, name: string): Mix {
  const lower = name.toLowerCase();
  if (Object.hasOwn(mixes, lower)) return lower as Mix;
  const nearest = nearestName(name, Object.keys(mixes));
  const hint = nearest ? `did you mean ${nearest}?` : `known are ${Object.keys(mixes).join(', ')}`;
  return fail(op, `there is no mix "${name}".`, hint);
}

/**
 * The type of one weight in a mix (llama.cpp src/llama-quant.cpp llama_tensor_get_type and
 * tensor_type_fallback). Vectors stay f32; the output matrix, or an embedding that stands for it,
 * gets q6_k in every mix but q8_0.
 *
 * @param columns length of a row; what does not divide into blocks falls back to a finer type.
 */
export function mixDType(
  mix: Mix,
  name: string,
  columns: number,
  config: LlamaConfig,
  options: { readonly weighted?: boolean } = {},
): QuantizableDType | 'f16' | 'f32' {
  if (name.endsWith('norm.weight') || name.endsWith('.bias')) return 'f32';
  return fallback(wanted(mix, name, columns, config, options.weighted ?? false), columns);
}

function wanted(
  mix: Mix,
  name: string,
  columns: number,
  config: LlamaConfig,
  weighted: boolean,
): QuantizableDType {
  const { base } = mixes[mix];
  if (name === 'output.weight' || (name === 'tok_embeddings.weight' && config.tiedEmbeddings)) {
    if (base === 'q8_0' || columns % dtypes[base].blockSize !== 0) return 'q8_0';
    return 'q6_k';
  }
  const { nLayers: L } = config;
  const [, layer = '', part = ''] = /^layers\.(\d+)\.(.+)\.weight$/.exec(name) ?? [];
  const i = Number(layer);
  const early = i < Math.trunc(L / 8);
  if (part === 'attention.wv') {
    const dtype =
      (mix === 'q4_k_m' || mix === 'q5_k_m') && moreBits(i, L)
        ? 'q6_k'
        : mix === 'q4_k_s' && i < 4
          ? 'q5_k'
          : base;
    return is70B(config) && dtype === 'q4_k' ? 'q5_k' : dtype;
  }
  if (part === 'feed_forward.w2') {
    if ((mix === 'q4_k_m' || mix === 'q5_k_m') && moreBits(i, L)) return 'q6_k';
    if (mix === 'q4_k_s' && early) return 'q5_k';
    if (weighted && early && mix === 'q4_0') return 'q4_1';
    if (weighted && early && mix === 'q5_0') return 'q5_1';
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

/** Types with blocks of 32 for rows that do not divide into blocks of 256. */
const smaller: Partial<Record<QuantizableDType, QuantizableDType>> = {
  q4_k: 'q5_0',
  q5_k: 'q5_1',
  q6_k: 'q8_0',
};

function fallback(dtype: QuantizableDType, columns: number): QuantizableDType | 'f16' {
  const fits = (each: QuantizableDType) => columns % dtypes[each].blockSize === 0;
  if (fits(dtype)) return dtype;
  const finer = smaller[dtype];
  return finer !== undefined && fits(finer) ? finer : 'f16';
}
