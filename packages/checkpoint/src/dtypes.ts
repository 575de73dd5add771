import { byteLength, type DType, dtypes } from '@cria/tensor';
import { floatDTypes, type StoredDType, storedBytes } from './safetensors/dtypes.ts';

/** GGUF's block formats, by the names that ggml gives them. */
export const blockDTypes = {
  Q8_0: 'q8_0',
  Q4_0: 'q4_0',
  Q4_1: 'q4_1',
  Q5_0: 'q5_0',
  Q5_1: 'q5_1',
  Q2_K: 'q2_k',
  Q3_K: 'q3_k',
  Q4_K: 'q4_k',
  Q5_K: 'q5_k',
  Q6_K: 'q6_k',
} as const satisfies Record<string, DType>;

export type BlockDType = keyof typeof blockDTypes;

/** Every element type a checkpoint may hold. */
export type WeightDType = StoredDType | BlockDType;

/** Types that can be read as numbers, and the house's name for them. */
export const numericDTypes = { ...floatDTypes, ...blockDTypes } as const;
export type NumericDType = keyof typeof numericDTypes;

export function isNumeric(dtype: WeightDType): dtype is NumericDType {
  return Object.hasOwn(numericDTypes, dtype);
}

export function isBlock(dtype: WeightDType): dtype is BlockDType {
  return Object.hasOwn(blockDTypes, dtype);
}

/** Bytes of so many elements; undefined where they fill no whole bytes or blocks. */
export function weightBytes(dtype: WeightDType, elements: number): number | undefined {
  if (!isBlock(dtype)) return storedBytes(dtype, elements);
  const { blockSize } = dtypes[blockDTypes[dtype]];
  return elements % blockSize === 0 ? byteLength(blockDTypes[dtype], elements) : undefined;
}
