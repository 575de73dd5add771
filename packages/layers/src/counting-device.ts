import {
  type Abilities,
  cacheStoreDTypes,
  DeviceBase,
  kernelNames,
  type Kernels,
  type StorageId,
  type Tensor,
  weightDTypes,
} from '@cria/tensor';

/**
 * A device without memory: storages are numbers, kernels do nothing. A model that runs on it takes
 * and gives back the same memory, in the same order, as on a real device.
 */
export class CountingDevice extends DeviceBase {
  readonly name = 'counting';
  readonly description = 'counts bytes, computes nothing';
  readonly computeDTypes = new Set(['f32', 'bf16', 'f16', 'f64'] as const);
  readonly determinism = 'none';
  readonly rowChunk = 64;
  readonly abilities: Abilities = {
    weights: weightDTypes,
    caches: cacheStoreDTypes,
    storageLimit: Infinity,
    offsetAlignment: 1,
    call: () => {},
  };
  #next = 0;

  protected createKernels(): Kernels {
    const kernels = kernelNames.map((name) => [name, () => {}]);
    return Object.fromEntries(kernels) as Kernels; // every name, and a function of fewer parameters
  }

  protected allocateStorage(): StorageId {
    return this.#next++;
  }

  protected freeStorage(): void {}
  protected writeStorage(): void {}

  protected async readStorage(_storage: StorageId, _offset: number, bytes: number): Promise<ArrayBuffer> {
    return new ArrayBuffer(bytes);
  }

  protected disposeDevice(): void {}
  async flush(): Promise<void> {}

  pack(weight: Tensor): Tensor {
    return this.empty(weight.shape, weight.dtype);
  }
}
