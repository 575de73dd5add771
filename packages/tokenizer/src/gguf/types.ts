/** Metadata values of a GGUF file (ggml docs/gguf.md). */

/** Types of metadata values, in the order of their numbers. */
export const ggufValueTypes = [
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
export type GgufValueType = (typeof ggufValueTypes)[number];
export type GgufScalarType = Exclude<GgufValueType, 'array'>;

/** A 64-bit integer beyond 2⁵³ is a bigint. */
export type GgufScalar = number | bigint | boolean | string;

/** A metadata value with the type it is stored as; `of` is the element type of an array. */
export type GgufEntry =
  | { readonly type: GgufScalarType; readonly value: GgufScalar }
  | { readonly type: 'array'; readonly of: GgufScalarType; readonly value: ArrayLike<GgufScalar> };

export type GgufMetadata = ReadonlyMap<string, GgufEntry>;

/** Bytes of a value; a text is an eight-byte length and so many bytes. */
export const ggufValueBytes: Readonly<Record<GgufScalarType, number>> = {
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

/** "GGUF", read as a little-endian number. */
export const GGUF_MAGIC = 0x46554747;
/** Where `general.alignment` does not say otherwise. */
export const GGUF_ALIGNMENT = 32;

/** What the header says of a tensor; its bytes follow from `type` and `shape`. */
export interface GgufTensorInfo {
  readonly name: string;
  /** Row-major, slowest axis first: the reverse of the file's order. */
  readonly shape: readonly number[];
  /** ggml's number of the element type. */
  readonly type: number;
  /** First byte, from the start of the tensor data. */
  readonly offset: number;
}

export interface GgufHeader {
  readonly version: number;
  readonly metadata: GgufMetadata;
  /** In the order of the file. */
  readonly tensors: readonly GgufTensorInfo[];
  readonly alignment: number;
  /** Where tensor data begins in the file. */
  readonly dataStart: number;
}
