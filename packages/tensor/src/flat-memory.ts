import type { Device, StorageId } from './device.ts';
import { byteLength, type DType } from './dtype.ts';
import { fail } from './errors.ts';
import { type Shape, sizeOf, Tensor } from './tensor.ts';

/** Elements [begin, end) of a flat space. */
export interface Stretch {
  readonly begin: number;
  readonly end: number;
}

/** One logical run of elements, in as many storages as the segments it is cut into. */
export class FlatMemory {
  readonly device: Device;
  readonly dtype: DType;
  readonly #segments: readonly Stretch[];
  readonly #tensors: readonly Tensor[];

  /** Zeroed. Segments follow each other from element 0 on. */
  constructor(device: Device, dtype: DType, segments: readonly Stretch[]) {
    this.device = device;
    this.dtype = dtype;
    this.#segments = segments;
    this.#tensors = segments.map(({ begin, end }) => device.empty([end - begin], dtype));
  }

  /** All of it as one tensor: where one storage holds it. */
  get whole(): Tensor {
    const [only, second] = this.#tensors;
    if (only && !second) return only;
    return fail(
      'flatMemory',
      `the space lies in ${this.#tensors.length} segments, as ${this.device.name} has storages of ` +
        `${this.device.abilities.storageLimit} bytes.`,
      'go through it segment by segment: space.segments, memory.slice',
    );
  }

  /** Every segment, in their order. */
  get tensors(): readonly Tensor[] {
    return this.#tensors;
  }

  /** Elements of one segment. */
  slice(begin: number, end: number): Tensor {
    const { tensor, first } = this.#find(begin);
    return tensor.slice(begin - first, end - first);
  }

  /** So many elements from `begin` on, under a shape. */
  view(begin: number, shape: Shape): Tensor {
    const { tensor, first } = this.#find(begin);
    if (begin - first + sizeOf(shape) > tensor.size)
      fail('flatMemory', `elements ${begin} to ${begin + sizeOf(shape)} are in more than one segment.`);
    const offset = tensor.offset + byteLength(this.dtype, begin - first);
    return new Tensor(this.device, this.dtype, shape, { storage: tensor.storage, offset });
  }

  holds(storage: StorageId): boolean {
    return this.#tensors.some((tensor) => tensor.storage === storage);
  }

  free(): void {
    for (const { storage } of this.#tensors) this.device.free(storage);
  }

  #find(begin: number): { readonly tensor: Tensor; readonly first: number } {
    const index = this.#segments.findIndex((segment) => begin < segment.end);
    const at = index < 0 ? this.#segments.length - 1 : index;
    return { tensor: this.#tensors[at], first: this.#segments[at].begin };
  }
}
