import { type BlockDType, blockDTypes, type WeightDType } from '../dtypes.ts';
import { dtypes } from '@cria/tensor';
import type { StoredDType } from '../safetensors/dtypes.ts';

/** Types of metadata values, in the order of their numbers. */
export const valueTypes = [
  'u8',
  'i8',
  'u16',
  'i16',
  'u32',
  'i32',
  'f32',
  'bool',
  'string',
  'array',
  'u64',
  'i64',
  'f64',
] as const;
export type GgufValueType = (typeof valueTypes)[number];
export type GgufScalarType = Exclude<GgufValueType, 'array'>;

/** A 64-bit integer beyond 2⁵³ is a bigint. */
export type GgufScalar = number | bigint | boolean | string;

/** A metadata value with the type it is stored as; `of` is the element type of an array. The shape that @cria/tokenizer's maps use. */
export type GgufEntry =
  | { readonly type: GgufScalarType; readonly value: GgufScalar }
  | { readonly type: 'array'; readonly of: GgufScalarType; readonly value: ArrayLike<GgufScalar> };

export type GgufMetadata = ReadonlyMap<string, GgufEntry>;

/** Bytes of a value; texts are an eight-byte length and so many bytes. */
export const valueBytes: Readonly<Record<GgufScalarType, number>> = {
  u8: 1,
  i8: 1,
  u16: 2,
  i16: 2,
  u32: 4,
  i32: 4,
  f32: 4,
  bool: 1,
  string: 8,
  u64: 8,
  i64: 8,
  f64: 8,
};

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
