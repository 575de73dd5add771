import type { Region } from './arena.ts';
import type { Device, StorageId } from './device.ts';
import { byteLength, type DType, dtypes, type HostArray, hostView } from './dtype.ts';
import { fail } from './errors.ts';
import { bf16ToNumber, f16ToNumber, numberToBf16, numberToF16 } from './half.ts';
import { boundsOf, KnownIntegers } from './integers.ts';

export type Shape = readonly number[];

export interface TensorPlace {
  readonly storage: StorageId;
  /** Bytes from the start of the storage. */
  readonly offset: number;
  /** `plain` is row-major; anything else is a layout that only the device that packed it knows. */
  readonly layout?: string;
  /** The piece of a step arena this tensor lies in, if it does. */
  readonly region?: Region | undefined;
  /** Of a tensor of i32 that this one is a view of. */
  readonly integers?: KnownIntegers | undefined;
}

/**
 * A device, a dtype, a shape, and a place in a storage. Contiguous and row-major; it owns nothing
 * and is never disposed of.
 */
export class Tensor {
  readonly device: Device;
  readonly dtype: DType;
  readonly shape: Shape;
  readonly storage: StorageId;
  readonly offset: number;
  readonly layout: string;
  readonly region: Region | undefined;
  /** What is known of its elements, where they are i32; shared with its views. */
  readonly integers: KnownIntegers | undefined;

  constructor(device: Device, dtype: DType, shape: Shape, place: TensorPlace) {
    this.device = device;
    this.dtype = dtype;
    this.shape = shape;
    this.storage = place.storage;
    this.offset = place.offset;
    this.layout = place.layout ?? 'plain';
    this.region = place.region;
    this.integers = place.integers ?? (dtype === 'i32' ? new KnownIntegers(sizeOf(shape)) : undefined);
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** Bytes of the plain layout. */
  get byteLength(): number {
    return byteLength(this.dtype, this.size);
  }

  /** All leading axes as one: the number of rows of the last axis. */
  get rows(): number {
    return this.shape.length === 0 ? 1 : this.size / (this.columns || 1);
  }

  /** Length of the last axis (1 for a scalar). */
  get columns(): number {
    return this.shape.length === 0 ? 1 : this.shape[this.shape.length - 1];
  }

  /** The same elements under another shape of the same size. */
  reshape(...shape: number[]): Tensor {
    checkShape('tensor.reshape', shape, this.dtype);
    if (sizeOf(shape) !== this.size) {
      fail(
        'tensor.reshape',
        `cannot view ${describe(this)} as [${shape.join(', ')}].`,
        'the number of elements must stay the same',
      );
    }
    return new Tensor(this.device, this.dtype, shape, this);
  }

  /** Elements `start` to `end` of the first axis, without a copy. */
  slice(start: number, end: number): Tensor {
    const [length = 0, ...rest] = this.shape;
    if (!(Number.isInteger(start) && Number.isInteger(end) && 0 <= start && start <= end && end <= length)) {
      fail('tensor.slice', `[${start}, ${end}) is not a range of the first axis of ${describe(this)}.`);
    }
    this.#refusePacked('slice');
    const elements = sizeOf(rest);
    const { blockSize } = dtypes[this.dtype];
    if ((start * elements) % blockSize !== 0 || (end * elements) % blockSize !== 0) {
      fail(
        'tensor.slice',
        `[${start}, ${end}) of ${describe(this)} cuts through a block.`,
        `use multiples of ${blockSize}`,
      );
    }
    return new Tensor(this.device, this.dtype, [end - start, ...rest], {
      storage: this.storage,
      offset: this.offset + byteLength(this.dtype, start * elements),
      layout: this.layout,
      region: this.region,
      integers: this.integers,
    });
  }

  /** Waits for all encoded commands, then copies the elements out (bf16 and f16 as bits, block formats as bytes). */
  async read(): Promise<HostArray> {
    this.#refusePacked('read');
    const bytes = await this.device.readBytes(this.storage, this.offset, this.byteLength);
    return hostView(this.dtype, bytes);
  }

  /** As `read`, into an array of the caller's, which is filled from its start; for tensors of f32. */
  async readInto(to: Float32Array): Promise<void> {
    this.#refusePacked('readInto');
    if (this.dtype !== 'f32' || to.length < this.size)
      fail('tensor.readInto', `${describe(this)} does not go into a Float32Array of ${to.length}.`);
    const bytes = new Uint8Array(to.buffer, to.byteOffset, this.byteLength);
    const { readInto } = this.device.abilities;
    if (readInto) await readInto(this.storage, this.offset, bytes);
    else bytes.set(new Uint8Array(await this.device.readBytes(this.storage, this.offset, bytes.length)));
  }

  /** As `read`, with half precision widened; block formats are refused. */
  async toFloat32(): Promise<Float32Array> {
    const data = await this.read();
    if (this.dtype === 'f32') return data as Float32Array;
    if (this.dtype === 'bf16') return mapInto(new Float32Array(data.length), data, bf16ToNumber);
    if (this.dtype === 'f16') return mapInto(new Float32Array(data.length), data, f16ToNumber);
    if (dtypes[this.dtype].blockSize > 1)
      fail('tensor.toFloat32', `${describe(this)} holds quantised blocks.`, 'use read() for the bytes');
    return new Float32Array(data);
  }

  /**
   * Copies elements in, in the order of the commands: kernels encoded earlier still see the old
   * ones. Numbers are converted to a float dtype; a `Uint16Array` into bf16 or f16, and a
   * `Uint8Array` into anything, are taken as raw bits.
   */
  write(data: ArrayLike<number> & { readonly length: number }): this {
    this.#refusePacked('write');
    const bytes = encodeElements(this, data);
    this.device.writeBytes(this.storage, this.offset, bytes);
    this.integers?.replaced(this.size, boundsOf(asIntegers(bytes)));
    return this;
  }

  #refusePacked(verb: string): void {
    if (this.layout === 'plain') return;
    fail(
      `tensor.${verb}`,
      `${describe(this)} is packed: only its device knows where the elements are.`,
      'use the tensor it was packed from',
    );
  }
}

export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const extent of shape) size *= extent;
  return size;
}

/** Refuses shapes that are not whole, and rows that do not hold whole blocks of a block format. */
export function checkShape(op: string, shape: Shape, dtype: DType): void {
  for (const extent of shape) {
    if (!Number.isSafeInteger(extent) || extent < 0) fail(op, `[${shape.join(', ')}] is not a shape.`);
  }
  const { blockSize } = dtypes[dtype];
  const columns = shape.at(-1) ?? 1;
  if (columns % blockSize !== 0) {
    fail(
      op,
      `rows of ${columns} do not hold whole blocks of ${dtype}.`,
      `make the last axis a multiple of ${blockSize}`,
    );
  }
}

/** `f32[256, 288]`, for messages. */
export function describe(tensor: Tensor): string {
  return `${tensor.dtype}[${tensor.shape.join(', ')}]${tensor.layout === 'plain' ? '' : ` (${tensor.layout})`}`;
}

function encodeElements(tensor: Tensor, data: ArrayLike<number>): Uint8Array {
  const raw = data instanceof Uint8Array && tensor.dtype !== 'u8';
  if (data.length !== (raw ? tensor.byteLength : tensor.size)) {
    fail('tensor.write', `${data.length} ${raw ? 'bytes' : 'elements'} do not fill ${describe(tensor)}.`);
  }
  if (data instanceof Uint8Array) return data;
  return bytesOf(convert(tensor, data));
}

function convert(tensor: Tensor, data: ArrayLike<number>): HostArray {
  switch (tensor.dtype) {
    case 'f32':
      return data instanceof Float32Array ? data : new Float32Array(data);
    case 'f64':
      return data instanceof Float64Array ? data : new Float64Array(data);
    case 'i32':
      return data instanceof Int32Array ? data : new Int32Array(data);
    case 'u8':
      return new Uint8Array(data);
    case 'bf16':
      return data instanceof Uint16Array ? data : mapInto(new Uint16Array(data.length), data, numberToBf16);
    case 'f16':
      return data instanceof Uint16Array ? data : mapInto(new Uint16Array(data.length), data, numberToF16);
    default:
      return fail(
        'tensor.write',
        `${describe(tensor)} holds quantised blocks.`,
        'write its bytes as a Uint8Array',
      );
  }
}

/** As `TypedArray.from`, which goes through an iterator and takes ten times as long. */
function mapInto<A extends Float32Array | Uint16Array>(
  out: A,
  data: ArrayLike<number>,
  convert: (value: number) => number,
): A {
  for (let i = 0; i < out.length; i++) out[i] = convert(data[i]);
  return out;
}

/** i32 in little-endian order, as they lie in memory. */
function asIntegers(bytes: Uint8Array): Int32Array {
  const { buffer, byteOffset, byteLength: length } = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  return new Int32Array(buffer, byteOffset, length / 4);
}

function bytesOf(array: HostArray): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
