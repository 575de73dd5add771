import type { Device, StorageId } from '../device.ts';
import { accumulatorDType, byteLength, type ComputeDType, type DType, dtypes, hostView } from '../dtype.ts';
import { bf16ToNumber, f16ToNumber, numberToF16 } from '../half.ts';
import type { Kernels } from '../kernels.ts';
import { hashName, normals, philox, uniforms } from '../random.ts';
import { rounder } from '../reference/memory.ts';
import { type Shape, sizeOf, Tensor } from '../tensor.ts';
import { sameBytes } from './same-bytes.ts';

/** What a run left in one output. */
export interface Result {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly bytes: Uint8Array;
}

export type Results = Readonly<Record<string, Result>>;

interface Placed {
  readonly storage: StorageId;
  readonly offset: number;
  readonly bytes: number;
  /** Guards and contents as they were written. */
  readonly written: Uint8Array;
  /** A kernel must leave the contents alone. */
  readonly input: boolean;
}

/** A prime number of draws, so that rows of a matrix never repeat. */
const TABLE = 65_521;
const normalTable = new Float64Array(TABLE);
const uniformTable = new Float64Array(TABLE);
normals({ seed: 1, stream: 0, start: 0, std: 1 }, normalTable);
uniforms({ seed: 1, stream: 1, start: 0 }, uniformTable);
const start = new Uint32Array(4);

const GUARD = 64;
const GUARD_BYTE = 0xa5;

/** Where the block formats keep their scales, as halves. */
const SCALES: Partial<Record<DType, readonly number[]>> = {
  q4_0: [0],
  q4_1: [0, 2],
  q5_0: [0],
  q5_1: [0, 2],
  q8_0: [0],
  q2_k: [80, 82],
  q3_k: [108],
  q4_k: [0, 2],
  q5_k: [0, 2],
  q6_k: [208],
};

/**
 * Operands for one run of a case. The same case runs on the device under test and, `exact`, on the
 * reference device in f64, with the same numbers: those that the dtype under test can hold. Every
 * tensor lies between guard bytes, at offsets that only elements align; outputs start as NaN.
 */
export class Bench {
  readonly device: Device;
  /** The dtype under test. */
  readonly dtype: ComputeDType;
  readonly #exact: boolean;
  readonly #seed: number;
  #placed: Placed[] = [];
  #draws = 0;

  constructor(device: Device, dtype: ComputeDType, name: string, exact = false) {
    this.device = device;
    this.dtype = dtype;
    this.#exact = exact;
    this.#seed = hashName(name);
  }

  get kernels(): Kernels {
    return this.device.kernels;
  }

  /** N(0, std²), an activation or weight of the dtype under test. */
  normal(shape: Shape, std = 1): Tensor {
    return this.float(this.#normals(shape, std), shape);
  }

  /** N(0, 1), for the case to change. */
  numbers(shape: Shape): Float64Array {
    return this.#normals(shape, 1);
  }

  /** Whole numbers from −limit to limit: sums of products are exact in f32, in any order. */
  whole(shape: Shape, limit = 4): Tensor {
    return this.float(this.#whole(shape, limit), shape);
  }

  /** The given numbers, rounded to the dtype under test. */
  float(values: ArrayLike<number>, shape: Shape): Tensor {
    return this.#place(rounded(values, this.dtype), shape, this.#exact ? 'f64' : this.dtype, true);
  }

  /** An f32 operand (f64 beside f64): tables, gradients that came before, moments. */
  wide(values: ArrayLike<number>, shape: Shape): Tensor {
    return this.#place(rounded(values, accumulatorDType(this.dtype)), shape, this.#wideDType, true);
  }

  wideNormal(shape: Shape, std = 1): Tensor {
    return this.wide(this.#normals(shape, std), shape);
  }

  integers(values: ArrayLike<number>, shape: Shape = [values.length]): Tensor {
    return this.#place(new Float64Array(values), shape, 'i32', true);
  }

  /** Whole numbers from 0 to limit − 1. */
  indices(count: number, limit: number): Tensor {
    return this.integers(this.#uniforms(count).map((u) => Math.floor(u * limit)));
  }

  /** A weight of any storage dtype, some 1/√C large. */
  weight(shape: readonly [number, number], dtype: DType): Tensor {
    if (dtypes[dtype].blockSize > 1) return this.#place(this.#blocks(shape, dtype), shape, dtype, true);
    const values = rounded(this.#normals(shape, 1 / Math.sqrt(shape[1])), dtype);
    return this.#place(values, shape, this.#exact ? 'f64' : dtype, true);
  }

  /** An output of the dtype under test: every element is NaN before. */
  output(shape: Shape): Tensor {
    return this.#place(
      new Float64Array(sizeOf(shape)).fill(NaN),
      shape,
      this.#exact ? 'f64' : this.dtype,
      false,
    );
  }

  /** Memory for keys or values, in a dtype of its own where one is given: NaN before. */
  cache(shape: Shape, dtype?: DType): Tensor {
    if (!dtype) return this.output(shape);
    if (dtypes[dtype].blockSize === 1)
      return this.#place(new Float64Array(sizeOf(shape)).fill(NaN), shape, dtype, false);
    return this.#place(new Uint8Array(byteLength(dtype, sizeOf(shape))).fill(0xff), shape, dtype, false);
  }

  wideOutput(shape: Shape): Tensor {
    return this.#place(new Float64Array(sizeOf(shape)).fill(NaN), shape, this.#wideDType, false);
  }

  /** Ids that a kernel finds: the least number before. */
  integerOutput(shape: Shape): Tensor {
    return this.#place(new Float64Array(sizeOf(shape)).fill(-(2 ** 31)), shape, 'i32', false);
  }

  /** An operand that the kernel adds to or changes in place. */
  changing(values: ArrayLike<number> | 'normal', shape: Shape, kind: 'float' | 'wide' = 'float'): Tensor {
    const dtype = kind === 'float' ? this.dtype : accumulatorDType(this.dtype);
    const numbers = rounded(values === 'normal' ? this.#normals(shape, 1) : values, dtype);
    return this.#place(numbers, shape, this.#exact ? 'f64' : dtype, false);
  }

  /** Reads outputs, checks that nothing else changed, and gives all memory back. */
  async finish(outputs: Readonly<Record<string, Tensor>>): Promise<Results> {
    const results: Record<string, Result> = {};
    for (const [name, tensor] of Object.entries(outputs)) {
      const bytes = await this.device.readBytes(tensor.storage, tensor.offset, tensor.byteLength);
      results[name] = { dtype: tensor.dtype, shape: tensor.shape, bytes: new Uint8Array(bytes) };
    }
    for (const placed of this.#placed) await this.#checkUntouched(placed);
    for (const { storage } of this.#placed) this.device.free(storage);
    this.#placed = [];
    return results;
  }

  get #wideDType(): DType {
    return this.#exact ? 'f64' : accumulatorDType(this.dtype);
  }

  #place(values: Float64Array | Uint8Array, shape: Shape, dtype: DType, input: boolean): Tensor {
    const bytes = byteLength(dtype, sizeOf(shape));
    const offset = GUARD + (this.#placed.length % 2) * 3 * dtypes[dtype].blockBytes;
    const written = new Uint8Array(offset + bytes + GUARD).fill(GUARD_BYTE);
    written.set(encode(values, dtype), offset);
    const storage = this.device.allocate(written.length);
    this.device.writeBytes(storage, 0, written);
    this.#placed.push({ storage, offset, bytes, written, input });
    const tensor = new Tensor(this.device, dtype, shape, { storage, offset });
    return dtype === 'i32' ? tensor.write(values) : tensor; // what indices hold must be known
  }

  async #checkUntouched({ storage, offset, bytes, written, input }: Placed): Promise<void> {
    const all = new Uint8Array(await this.device.readBytes(storage, 0, written.length));
    if (input && sameBytes(all, written)) return;
    for (let i = 0; i < all.length; i++) {
      if (i === offset) i += bytes;
      if (all[i] !== GUARD_BYTE)
        throw new Error(`wrote outside a tensor of ${bytes} bytes: at byte ${i - offset}`);
    }
    if (!input) return;
    const i = all.findIndex((byte, at) => byte !== written[at]);
    throw new Error(`changed byte ${i - offset} of an operand that is only read`);
  }

  #normals(shape: Shape, std: number): Float64Array {
    return this.#draw(sizeOf(shape), normalTable, std);
  }

  #uniforms(count: number): Float64Array {
    return this.#draw(count, uniformTable, 1);
  }

  /** Numbers from a table, from a place that the case and the draw decide: many times faster than drawing each. */
  #draw(count: number, table: Float64Array, factor: number): Float64Array {
    philox(this.#draws++, 0, 0, 0, this.#seed, 0, start);
    const values = new Float64Array(count);
    for (let i = 0, at = start[0] % table.length; i < count; at = 0) {
      const part = table.subarray(at, at + count - i);
      values.set(part, i);
      i += part.length;
    }
    if (factor !== 1) for (let i = 0; i < count; i++) values[i] *= factor;
    return values;
  }

  #whole(shape: Shape, limit: number): Float64Array {
    return this.#uniforms(sizeOf(shape)).map((u) => Math.floor(u * (2 * limit + 1)) - limit);
  }

  #blocks(shape: Shape, dtype: DType): Uint8Array {
    const { blockBytes } = dtypes[dtype];
    const bytes = new Uint8Array(this.#draw(byteLength(dtype, sizeOf(shape)), uniformTable, 256));
    for (let block = 0; block < bytes.length; block += blockBytes) {
      for (const at of SCALES[dtype] ?? []) {
        const half = numberToF16(0.001 + bytes[block + at] / 65536);
        bytes[block + at] = half & 255;
        bytes[block + at + 1] = half >> 8;
      }
    }
    return bytes;
  }
}

/** Numbers of a result; halves widened. */
export function numbersOf({ dtype, bytes }: Result): Float64Array {
  const stored = hostView(dtype, bytes.slice().buffer);
  const decode = dtype === 'bf16' ? bf16ToNumber : dtype === 'f16' ? f16ToNumber : Number;
  const numbers = new Float64Array(stored.length);
  for (let i = 0; i < numbers.length; i++) numbers[i] = decode(stored[i]);
  return numbers;
}

/** The values as the dtype holds them; f32, most of all, without a call a number. */
function rounded(values: ArrayLike<number>, dtype: DType): Float64Array {
  if (dtype === 'f32') return new Float64Array(new Float32Array(values));
  const numbers = new Float64Array(values);
  if (dtype === 'f64') return numbers;
  const round = rounder(dtype);
  for (let i = 0; i < numbers.length; i++) numbers[i] = round(numbers[i]);
  return numbers;
}

/**
 * The bytes of these values, which the dtype can hold. Typed arrays are made from typed arrays:
 * `from` would take twenty times as long.
 */
function encode(values: Float64Array | Uint8Array, dtype: DType): Uint8Array {
  if (values instanceof Uint8Array) return values;
  if (dtype === 'f64') return new Uint8Array(values.buffer);
  if (dtype === 'i32') return new Uint8Array(new Int32Array(values).buffer);
  const f32 = new Float32Array(values);
  if (dtype === 'f32') return new Uint8Array(f32.buffer);
  const halves = new Uint16Array(f32.length);
  const bits = new Uint32Array(f32.buffer);
  for (let i = 0; i < halves.length; i++) halves[i] = dtype === 'f16' ? numberToF16(f32[i]) : bits[i] >>> 16;
  return new Uint8Array(halves.buffer);
}
