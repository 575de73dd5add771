import {
  bf16ToNumber,
  type DType,
  f16ToNumber,
  type HostArray,
  numberToBf16,
  numberToF16,
} from '@cria/tensor';
import { type FloatDType, floatDTypes } from './safetensors/dtypes.ts';

let halfTable: Float32Array | undefined;

/** Stored bytes as numbers. Double precision stays double; everything else is exact in float32. `bytes` must be aligned. */
export function decodeFloats(bytes: Uint8Array, dtype: FloatDType): Float32Array | Float64Array {
  const { buffer, byteOffset, length } = bytes;
  if (dtype === 'F32') return new Float32Array(buffer, byteOffset, length / 4);
  if (dtype === 'F64') return new Float64Array(buffer, byteOffset, length / 8);
  const bits = new Uint16Array(buffer, byteOffset, length / 2);
  const out = new Float32Array(bits.length);
  if (dtype === 'BF16') {
    const wide = new Uint32Array(out.buffer);
    for (let i = 0; i < bits.length; i++) wide[i] = (bits[i] ?? 0) << 16;
  } else {
    halfTable ??= Float32Array.from({ length: 65536 }, (_, i) => f16ToNumber(i));
    for (let i = 0; i < bits.length; i++) out[i] = halfTable[bits[i] ?? 0] ?? 0;
  }
  return out;
}

/** What to hand to `Tensor.write` for a tensor of `target`: the bits themselves where the types agree, else numbers. */
export function toWritable(
  bytes: Uint8Array,
  stored: FloatDType,
  target: DType,
): Uint8Array | Float32Array | Float64Array {
  return floatDTypes[stored] === target ? bytes : decodeFloats(bytes, stored);
}

/** Elements as `Tensor.read` gave them, as bytes of a stored type: the bits themselves where the types agree, else rounded to nearest. */
export function encodeFloats(data: HostArray, source: DType, target: FloatDType): Uint8Array {
  if (floatDTypes[target] === source) return bytesOf(data);
  const wide =
    source === 'bf16'
      ? Float32Array.from(data, bf16ToNumber)
      : source === 'f16'
        ? Float32Array.from(data, f16ToNumber)
        : data;
  if (target === 'F32') return bytesOf(Float32Array.from(wide));
  if (target === 'F64') return bytesOf(Float64Array.from(wide));
  return bytesOf(Uint16Array.from(wide, target === 'BF16' ? numberToBf16 : numberToF16));
}

function bytesOf(array: HostArray): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
