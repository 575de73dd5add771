import {
  bf16ToNumber,
  type ComputeDType,
  dequantize,
  type DType,
  dtypes,
  f16ToNumber,
  type HostArray,
  numberToBf16,
  numberToF16,
} from '@cria/tensor';
import { isBlock, type NumericDType } from './dtypes.ts';

let halfTable: Float32Array | undefined;

/**
 * Stored bytes as numbers. Double precision stays double; everything else is exact in float32.
 * `bytes` must be aligned.
 */
export function decodeNumbers(bytes: Uint8Array, dtype: NumericDType): Float32Array | Float64Array {
  const { buffer, byteOffset, length } = bytes;
  if (isBlock(dtype)) {
    const { blockSize, blockBytes } = dtypes[dtype];
    const out = new Float32Array((length / blockBytes) * blockSize);
    dequantize(dtype, bytes, out);
    return out;
  }
  if (dtype === 'f32') return new Float32Array(buffer, byteOffset, length / 4);
  if (dtype === 'f64') return new Float64Array(buffer, byteOffset, length / 8);
  const bits = new Uint16Array(buffer, byteOffset, length / 2);
  const out = new Float32Array(bits.length);
  if (dtype === 'bf16') {
    const wide = new Uint32Array(out.buffer);
    for (let i = 0; i < bits.length; i++) wide[i] = (bits[i] ?? 0) << 16;
  } else {
    halfTable ??= Float32Array.from({ length: 65536 }, (_, i) => f16ToNumber(i));
    for (let i = 0; i < bits.length; i++) out[i] = halfTable[bits[i] ?? 0] ?? 0;
  }
  return out;
}

/**
 * What to hand to `Tensor.write` for a tensor of `target`: the bits themselves where the types
 * agree, else numbers.
 */
export function toWritable(
  bytes: Uint8Array,
  stored: NumericDType,
  target: DType,
): Uint8Array | Float32Array | Float64Array {
  return stored === target ? bytes : decodeNumbers(bytes, stored);
}

/** Numbers as bytes of a stored type, rounded to nearest. */
export function encodeNumbers(numbers: Float32Array | Float64Array, target: ComputeDType): Uint8Array {
  if (target === 'f32') return bytesOf(numbers instanceof Float32Array ? numbers : new Float32Array(numbers));
  if (target === 'f64') return bytesOf(numbers instanceof Float64Array ? numbers : new Float64Array(numbers));
  const convert = target === 'bf16' ? numberToBf16 : numberToF16;
  const out = new Uint16Array(numbers.length);
  for (let i = 0; i < out.length; i++) out[i] = convert(numbers[i] ?? 0);
  return bytesOf(out);
}

/**
 * Elements as `Tensor.read` gave them, as bytes of a stored type: the bits themselves where the
 * types agree, else rounded to nearest.
 */
export function encodeFloats(data: HostArray, source: DType, target: ComputeDType): Uint8Array {
  if (target === source) return bytesOf(data);
  if (data instanceof Float32Array || data instanceof Float64Array) return encodeNumbers(data, target);
  const widen = source === 'bf16' ? bf16ToNumber : f16ToNumber;
  const wide = new Float32Array(data.length);
  for (let i = 0; i < wide.length; i++) wide[i] = widen(data[i] ?? 0);
  return encodeNumbers(wide, target);
}

export function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
