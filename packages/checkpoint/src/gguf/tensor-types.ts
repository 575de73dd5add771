import { dtypes } from '@cria/tensor';
import { type BlockDType, blockDTypes, type WeightDType } from '../dtypes.ts';
import type { StoredDType } from '../safetensors/dtypes.ts';

const plain: readonly (readonly [number, StoredDType])[] = [
  [0, 'F32'],
  [1, 'F16'],
  [24, 'I8'],
  [25, 'I16'],
  [26, 'I32'],
  [27, 'I64'],
  [28, 'F64'],
  [30, 'BF16'],
];
const blocks = (Object.keys(blockDTypes) as BlockDType[]).map(
  (name) => [dtypes[blockDTypes[name]].ggml, name] as const,
);

/** Tensor types that are read, by their number in ggml. */
export const tensorTypes: ReadonlyMap<number, WeightDType> = new Map<number, WeightDType>([
  ...plain,
  ...blocks,
]);
const numbers = new Map([...tensorTypes].map(([number, name]) => [name, number]));

export function tensorTypeNumber(dtype: WeightDType): number | undefined {
  return numbers.get(dtype);
}

/** Types of ggml that are known but not read, for messages. */
export const otherTypes: ReadonlyMap<number, string> = new Map([
  [9, 'Q8_1'],
  [15, 'Q8_K'],
  [16, 'IQ2_XXS'],
  [17, 'IQ2_XS'],
  [18, 'IQ3_XXS'],
  [19, 'IQ1_S'],
  [20, 'IQ4_NL'],
  [21, 'IQ3_S'],
  [22, 'IQ2_S'],
  [23, 'IQ4_XS'],
  [29, 'IQ1_M'],
  [34, 'TQ1_0'],
  [35, 'TQ2_0'],
  [39, 'MXFP4'],
]);
