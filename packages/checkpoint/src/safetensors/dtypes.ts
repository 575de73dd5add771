import type { WeightDType } from '../dtypes.ts';

/**
 * What safetensors call element types, in the order of the Rust library's enum: from narrow to
 * wide, which is the (reversed) order of tensors in a file.
 */
const names = {
  BOOL: 'bool',
  F4: 'f4',
  F6_E2M3: 'f6_e2m3',
  F6_E3M2: 'f6_e3m2',
  U8: 'u8',
  I8: 'i8',
  F8_E5M2: 'f8_e5m2',
  F8_E4M3: 'f8_e4m3',
  F8_E8M0: 'f8_e8m0',
  F8_E4M3FNUZ: 'f8_e4m3fnuz',
  F8_E5M2FNUZ: 'f8_e5m2fnuz',
  I16: 'i16',
  U16: 'u16',
  F16: 'f16',
  BF16: 'bf16',
  I32: 'i32',
  U32: 'u32',
  F32: 'f32',
  C64: 'c64',
  F64: 'f64',
  I64: 'i64',
  U64: 'u64',
} as const satisfies Record<string, WeightDType>;

/** Element types that a safetensors file can hold. */
export type StoredDType = (typeof names)[keyof typeof names];

/** By their names in files. */
export const storedDTypes: ReadonlyMap<string, StoredDType> = new Map(Object.entries(names));

const places = new Map(Object.entries(names).map(([name, dtype], rank) => [dtype, { name, rank }] as const));

/** What a file calls a type, and the place of the type in the order of files. */
export function storedPlace(dtype: StoredDType): { readonly name: string; readonly rank: number } {
  return places.get(dtype)!; // made from the table of all of them
}
