/**
 * What one element type is: block formats store `blockSize` elements in `blockBytes` bytes, plain
 * types have blocks of one.
 */
export interface DTypeInfo {
  readonly blockSize: number;
  readonly blockBytes: number;
  /** Number of the type in GGUF files; undefined where ggml has no such type. */
  readonly ggml: number | undefined;
  /** Can hold activations (a float type that kernels compute in), not only stored weights or indices. */
  readonly float: boolean;
}

/**
 * Every element type the house knows. `f64` exists on the reference device only; the block formats
 * are storage types of weights and have GGUF's byte layout.
 */
export const dtypes = {
  f32: { blockSize: 1, blockBytes: 4, ggml: 0, float: true },
  bf16: { blockSize: 1, blockBytes: 2, ggml: 30, float: true },
  f16: { blockSize: 1, blockBytes: 2, ggml: 1, float: true },
  f64: { blockSize: 1, blockBytes: 8, ggml: 28, float: true },
  i32: { blockSize: 1, blockBytes: 4, ggml: 26, float: false },
  u8: { blockSize: 1, blockBytes: 1, ggml: undefined, float: false },
  q4_0: { blockSize: 32, blockBytes: 18, ggml: 2, float: false },
  q4_1: { blockSize: 32, blockBytes: 20, ggml: 3, float: false },
  q5_0: { blockSize: 32, blockBytes: 22, ggml: 6, float: false },
  q5_1: { blockSize: 32, blockBytes: 24, ggml: 7, float: false },
  q8_0: { blockSize: 32, blockBytes: 34, ggml: 8, float: false },
  q2_k: { blockSize: 256, blockBytes: 84, ggml: 10, float: false },
  q3_k: { blockSize: 256, blockBytes: 110, ggml: 11, float: false },
  q4_k: { blockSize: 256, blockBytes: 144, ggml: 12, float: false },
  q5_k: { blockSize: 256, blockBytes: 176, ggml: 13, float: false },
  q6_k: { blockSize: 256, blockBytes: 210, ggml: 14, float: false },
  iq4_nl: { blockSize: 32, blockBytes: 18, ggml: 20, float: false },
  iq4_xs: { blockSize: 256, blockBytes: 136, ggml: 23, float: false },
} as const satisfies Record<string, DTypeInfo>;

export type DType = keyof typeof dtypes;

/** Types in which a model computes: activations and their gradients. */
export type ComputeDType = 'f32' | 'bf16' | 'f16' | 'f64';

/** The types that can hold activations, for options that come from outside. */
export const floatDTypes: readonly ComputeDType[] = (Object.keys(dtypes) as DType[]).filter(isFloat);

function isFloat(dtype: DType): dtype is ComputeDType {
  return dtypes[dtype].float;
}

/** What `Tensor.read` gives: the elements where JavaScript has such an array, else the stored bits or blocks. */
export interface HostArrays {
  f32: Float32Array;
  f64: Float64Array;
  i32: Int32Array;
  u8: Uint8Array;
  bf16: Uint16Array;
  f16: Uint16Array;
}
export type HostArray = HostArrays[keyof HostArrays];

/**
 * Bytes that `elements` of `dtype` take; a row of a block format must hold whole blocks (checked
 * where tensors are made).
 */
export function byteLength(dtype: DType, elements: number): number {
  const { blockSize, blockBytes } = dtypes[dtype];
  return (elements / blockSize) * blockBytes;
}

/** Gradients, moments, statistics and losses: f32, but f64 beside f64 so that gradient checks stay exact. */
export function accumulatorDType(dtype: DType): 'f32' | 'f64' {
  return dtype === 'f64' ? 'f64' : 'f32';
}

const hostArrayOf = {
  f32: Float32Array,
  f64: Float64Array,
  i32: Int32Array,
  u8: Uint8Array,
  bf16: Uint16Array,
  f16: Uint16Array,
} as const;

/** A typed array over bytes: of the elements, or of raw bits (bf16, f16) or raw blocks (Uint8Array). */
export function hostView(
  dtype: DType,
  buffer: ArrayBuffer,
  byteOffset = 0,
  bytes = buffer.byteLength - byteOffset,
): HostArray {
  const Make = dtype in hostArrayOf ? hostArrayOf[dtype as keyof typeof hostArrayOf] : Uint8Array;
  return new Make(buffer, byteOffset, bytes / Make.BYTES_PER_ELEMENT);
}
