import { type ComputeDType, type DType, dtypes } from '@cria/tensor';

/**
 * Types that files may hold and no tensor has: they are listed and copied, never computed with.
 * Bytes of an element.
 */
const foreign = {
  bool: 1,
  f4: 0.5,
  f6_e2m3: 0.75,
  f6_e3m2: 0.75,
  i8: 1,
  f8_e5m2: 1,
  f8_e4m3: 1,
  f8_e8m0: 1,
  f8_e4m3fnuz: 1,
  f8_e5m2fnuz: 1,
  i16: 2,
  u16: 2,
  u32: 4,
  c64: 8,
  i64: 8,
  u64: 8,
} as const;

/**
 * Every element type a checkpoint may hold, by the names of @cria/tensor and others like them. What
 * a file calls them is known to its reader and writer alone.
 */
export type WeightDType = DType | keyof typeof foreign;

/** GGUF's block formats. */
export type BlockDType = {
  [Name in DType]: (typeof dtypes)[Name]['blockSize'] extends 1 ? never : Name;
}[DType];

/** Types that can be read as numbers. */
export type NumericDType = ComputeDType | BlockDType;

export function isFloat(dtype: WeightDType): dtype is ComputeDType {
  return isOwn(dtype) && dtypes[dtype].float;
}

export function isBlock(dtype: WeightDType): dtype is BlockDType {
  return isOwn(dtype) && dtypes[dtype].blockSize > 1;
}

export function isNumeric(dtype: WeightDType): dtype is NumericDType {
  return isFloat(dtype) || isBlock(dtype);
}

/** Bytes of so many elements; undefined where they fill no whole bytes or blocks, or the number is not exact. */
export function weightBytes(dtype: WeightDType, elements: number): number | undefined {
  const { blockSize, blockBytes } = isOwn(dtype)
    ? dtypes[dtype]
    : { blockSize: 1, blockBytes: foreign[dtype] };
  const bytes = (elements / blockSize) * blockBytes;
  return elements % blockSize === 0 && Number.isSafeInteger(bytes) ? bytes : undefined;
}

function isOwn(dtype: WeightDType): dtype is DType {
  return Object.hasOwn(dtypes, dtype);
}
