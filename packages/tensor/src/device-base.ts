import type { Abilities } from './abilities.ts';
import { checkKernels } from './checked.ts';
import type { Determinism, Device, DeviceMemory, StorageId } from './device.ts';
import { byteLength, type ComputeDType, type DType } from './dtype.ts';
import { fail } from './errors.ts';
import { boundsOf } from './integers.ts';
import type { Kernels } from './kernels.ts';
import { checkShape, describe, type Shape, sizeOf, Tensor } from './tensor.ts';

/**
 * What all devices share: shape checks around the kernels, tensors, accounting. A device adds memory
 * (`allocateStorage`, `freeStorage`), copies, `flush`, `pack`, and its raw kernels.
 */
export abstract class DeviceBase implements Device {
  abstract readonly name: string;
  abstract readonly description: string;
  abstract readonly computeDTypes: ReadonlySet<ComputeDType>;
  readonly preferredDType: ComputeDType = 'f32';
  abstract readonly determinism: Determinism;
  abstract readonly rowChunk: number;
  abstract readonly abilities: Abilities;
  #kernels: Kernels | undefined;
  #sizes = new Map<StorageId, number>();
  #allocated = 0;
  #peak = 0;
  #disposed = false;

  protected abstract createKernels(): Kernels;
  protected abstract allocateStorage(bytes: number): StorageId;
  protected abstract freeStorage(storage: StorageId): void;
  protected abstract writeStorage(storage: StorageId, offset: number, data: Uint8Array): void;
  protected abstract readStorage(storage: StorageId, offset: number, bytes: number): Promise<ArrayBuffer>;
  protected abstract disposeDevice(): void;
  abstract flush(): Promise<void>;
  abstract pack(weight: Tensor): Tensor;

  get kernels(): Kernels {
    return (this.#kernels ??= checkKernels(this, this.createKernels()));
  }

  get memory(): DeviceMemory {
    return { allocated: this.#allocated, peak: this.#peak };
  }

  allocate(bytes: number): StorageId {
    if (this.#disposed) fail(`${this.name}.allocate`, 'the device was disposed of.');
    if (!Number.isSafeInteger(bytes) || bytes < 0)
      fail(`${this.name}.allocate`, `${bytes} is not a number of bytes.`);
    const { storageLimit } = this.abilities;
    if (bytes > storageLimit)
      fail(
        `${this.name}.allocate`,
        `${bytes} bytes are more than the ${storageLimit} that one storage has here at most.`,
        'cut what is larger into several storages, as arenas do',
      );
    const storage = this.allocateStorage(bytes);
    return this.adopt(storage, bytes);
  }

  free(storage: StorageId): void {
    const bytes = this.#sizes.get(storage);
    if (bytes === undefined)
      fail(`${this.name}.free`, `storage ${storage} is not allocated here.`, 'free each storage once');
    this.#sizes.delete(storage);
    this.#allocated -= bytes;
    this.freeStorage(storage);
  }

  writeBytes(storage: StorageId, offset: number, data: Uint8Array): void {
    this.#checkRange('writeBytes', storage, offset, data.byteLength);
    if (data.byteLength > 0) this.writeStorage(storage, offset, data);
  }

  async readBytes(storage: StorageId, offset: number, bytes: number): Promise<ArrayBuffer> {
    this.#checkRange('readBytes', storage, offset, bytes);
    return this.readStorage(storage, offset, bytes);
  }

  empty(shape: Shape, dtype: DType): Tensor {
    checkShape(`${this.name}.empty`, shape, dtype);
    const size = sizeOf(shape);
    const tensor = new Tensor(this, dtype, shape, {
      storage: this.allocate(byteLength(dtype, size)),
      offset: 0,
    });
    tensor.integers?.replaced(size, boundsOf([0]));
    return tensor;
  }

  tensor(data: ArrayLike<number>, shape: Shape, dtype: DType): Tensor {
    return this.empty(shape, dtype).write(data);
  }

  /** Adopts storage that was made by other means (a mapped file), so that it is counted and freed like the rest. */
  protected adopt(storage: StorageId, bytes: number): StorageId {
    this.#sizes.set(storage, bytes);
    this.#allocated += bytes;
    this.#peak = Math.max(this.#peak, this.#allocated);
    return storage;
  }

  [Symbol.dispose](): void {
    if (this.#disposed) return;
    for (const storage of this.#sizes.keys()) this.free(storage);
    this.#disposed = true;
    this.disposeDevice();
  }

  #checkRange(op: string, storage: StorageId, offset: number, bytes: number): void {
    const size = this.#sizes.get(storage);
    if (size === undefined)
      fail(
        `${this.name}.${op}`,
        `storage ${storage} is not allocated here.`,
        'was it freed, or the device disposed of?',
      );
    if (!(offset >= 0 && offset + bytes <= size)) {
      fail(`${this.name}.${op}`, `bytes ${offset} to ${offset + bytes} are outside a storage of ${size}.`);
    }
  }
}

/** For devices that cannot handle a weight: one message for all. */
export function refuseWeight(op: string, weight: Tensor): never {
  return fail(op, `${describe(weight)} is not a weight this device can use.`);
}
