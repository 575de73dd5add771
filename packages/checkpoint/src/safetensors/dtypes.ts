import type { DType } from '@cria/tensor';

/**
 * Element types of safetensors with their width in bits, in the order of the Rust library's enum:
 * from narrow to wide, which is the (reversed) order of tensors in a file.
 */
export const storedDTypes = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
} as const;

export type StoredDType = keyof typeof storedDTypes;

/** Stored types that hold weights, and the house's name for them. */
export const floatDTypes = { F32: 'f32', BF16: 'bf16', F16: 'f16', F64: 'f64' } as const satisfies Partial<
  Record<StoredDType, DType>
>;

export type FloatDType = keyof typeof floatDTypes;

export function isFloatDType(dtype: StoredDType): dtype is FloatDType {
  return dtype in floatDTypes;
}

/** The stored type of a tensor's dtype, if a checkpoint can hold it. */
export function storedFloatDType(dtype: DType): FloatDType | undefined {
  return (Object.keys(floatDTypes) as FloatDType[]).find((name) => floatDTypes[name] === dtype);
}

/**
 * Bytes of so many elements; undefined when they do not fill whole bytes or the number is not
 * exact.
 */
export function storedBytes(dtype: StoredDType, elements: number): number | undefined {
  const bits = elements * storedDTypes[dtype];
  return Number.isSafeInteger(bits) && bits % 8 === 0 ? bits / 8 : undefined;
}
