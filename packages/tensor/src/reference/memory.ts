import { dequantize } from '../dequantize.ts';
import { byteLength, dtypes, type HostArray, hostView } from '../dtype.ts';
import { bf16ToNumber, f16ToNumber, numberToBf16, numberToF16 } from '../half.ts';
import type { StorageId } from '../device.ts';
import { quantize } from '../quantize/index.ts';
import { sizeOf, type Tensor } from '../tensor.ts';

/** Elements a kernel computes with. Sums and products are double; a Float32Array rounds what it stores. */
export type Numbers = Float32Array | Float64Array;

/** Every half precision number, made when the first f16 tensor is read. */
let f16Values: Float32Array | undefined;

/** The reference device's memory: one zeroed ArrayBuffer a storage. */
export class Memory {
  #storages = new Map<StorageId, ArrayBuffer>();
  #next = 1;

  allocate(bytes: number): StorageId {
    this.#storages.set(this.#next, new ArrayBuffer(bytes));
    return this.#next++;
  }

  free(storage: StorageId): void {
    this.#storages.delete(storage);
  }

  clear(): void {
    this.#storages.clear();
  }

  buffer(storage: StorageId): ArrayBuffer {
    // Ids come from tensors and the base class, which know what is allocated; a freed one shows here and nowhere else.
    const buffer = this.#storages.get(storage);
    if (!buffer)
      throw new RangeError(`reference: storage ${storage} was freed while a tensor still uses it.`);
    return buffer;
  }

  /** The stored elements, live: numbers, or the bits of halves, or the bytes of blocks. */
  view(tensor: Tensor): HostArray {
    return hostView(tensor.dtype, this.buffer(tensor.storage), tensor.offset, tensor.byteLength);
  }

  bytes(tensor: Tensor): Uint8Array {
    return new Uint8Array(this.buffer(tensor.storage), tensor.offset, tensor.byteLength);
  }

  integers(tensor: Tensor): Int32Array {
    return new Int32Array(this.buffer(tensor.storage), tensor.offset, tensor.size);
  }

  /** All elements as numbers: live for f32 and f64, else a decoded copy. */
  numbers(tensor: Tensor): Numbers {
    return this.rows(tensor, 0, tensor.rows);
  }

  /** Rows `first` to `end` of the last axis as numbers: live for f32 and f64, else a decoded copy. */
  rows(tensor: Tensor, first: number, end: number): Numbers {
    const { dtype, columns } = tensor;
    const bytes = byteLength(dtype, columns);
    const count = (end - first) * columns;
    const stored = hostView(
      dtype,
      this.buffer(tensor.storage),
      tensor.offset + first * bytes,
      (end - first) * bytes,
    );
    if (stored instanceof Float32Array || stored instanceof Float64Array) return stored;
    const decoded = new Float32Array(count);
    if (stored instanceof Uint8Array && dtypes[dtype].blockSize > 1) dequantize(dtype, stored, decoded);
    else if (dtype === 'bf16') for (let i = 0; i < count; i++) decoded[i] = bf16ToNumber(stored[i]);
    else if (dtype === 'f16') decodeF16(stored, decoded);
    else decoded.set(stored);
    return decoded;
  }

  /** Puts results back: `values` came from `numbers(tensor)` and were changed. Nothing to do where they are live. */
  store(tensor: Tensor, values: Numbers): void {
    const stored = this.view(tensor);
    const live = values.buffer === stored.buffer && values.byteOffset === stored.byteOffset;
    if (live) return;
    if (tensor.dtype === 'q8_0') return storeBlocks(tensor.columns, values, stored as Uint8Array);
    const encode = tensor.dtype === 'bf16' ? numberToBf16 : tensor.dtype === 'f16' ? numberToF16 : undefined;
    if (encode) for (let i = 0; i < stored.length; i++) stored[i] = encode(values[i]);
    else stored.set(values);
  }

  /** Where a kernel that sets every element puts them; `store` follows. */
  target(tensor: Tensor): Numbers {
    if (tensor.dtype === 'f32' || tensor.dtype === 'f64') return this.numbers(tensor);
    return new Float32Array(sizeOf(tensor.shape));
  }
}

/** Rounds a number as storing it with this dtype would. */
export function rounder(dtype: Tensor['dtype']): (value: number) => number {
  if (dtype === 'bf16') return (value) => bf16ToNumber(numberToBf16(value));
  if (dtype === 'f16') return (value) => f16ToNumber(numberToF16(value));
  return dtype === 'f64' ? (value) => value : Math.fround;
}

/**
 * Q8_0, as a cache holds keys and values: a block with a number that is not finite, or too large
 * for its scale, reads as NaN.
 */
function storeBlocks(columns: number, values: Numbers, out: Uint8Array): void {
  quantize('q8_0', Float32Array.from(values), columns, out);
  const { blockSize, blockBytes } = dtypes.q8_0;
  for (let block = 0; block * blockSize < values.length; block++) {
    const numbers = values.subarray(block * blockSize, (block + 1) * blockSize);
    const scale = f16ToNumber(out[block * blockBytes] | (out[block * blockBytes + 1] << 8));
    if (Number.isFinite(scale) && numbers.every(Number.isFinite)) continue;
    out[block * blockBytes] = 0;
    out[block * blockBytes + 1] = 0x7e;
  }
}

function decodeF16(bits: ArrayLike<number>, out: Float32Array): void {
  f16Values ??= Float32Array.from({ length: 65536 }, (_, i) => f16ToNumber(i));
  for (let i = 0; i < out.length; i++) out[i] = f16Values[bits[i]];
}
