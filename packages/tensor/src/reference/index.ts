import { type Abilities, cacheStoreDTypes, weightDTypes } from '../abilities.ts';
import { DeviceBase } from '../device-base.ts';
import type { Determinism, StorageId } from '../device.ts';
import type { ComputeDType, DType } from '../dtype.ts';
import { checkOptions } from '../errors.ts';
import type { ForeignCall } from '../foreign-call.ts';
import type { Kernels } from '../kernels.ts';
import type { DeviceProvider } from '../provider.ts';
import type { Tensor } from '../tensor.ts';
import { attentionKernels } from './attention.ts';
import { crossEntropyKernels } from './cross-entropy.ts';
import { elementwiseKernels } from './elementwise.ts';
import { linearKernels } from './linear.ts';
import { Memory } from './memory.ts';
import { normKernels } from './norm.ts';
import { optimizerKernels } from './optimizer.ts';
import { ropeKernels } from './rope.ts';
import { rowKernels } from './rows.ts';
import { sampleKernels } from './sample.ts';
import { swigluKernels } from './swiglu.ts';

/** The reference device has nothing to choose. */
export type ReferenceOptions = Readonly<Record<string, never>>;

/**
 * The reference device: every kernel in plain TypeScript, on any machine, in f32, bf16, f16 and
 * f64. Arithmetic is double and rounds where it stores (f64 stays exact: gradient checks run here).
 * Kernels run when they are called. Throws on unknown options.
 */
export function reference(options: ReferenceOptions = {}): ReferenceDevice {
  checkOptions('reference', options, []);
  return new ReferenceDevice();
}

/** For those who open devices by name: it is always there. */
export const referenceProvider: DeviceProvider = {
  check: () => ({ available: true, reason: 'plain TypeScript runs everywhere' }),
  open: () => reference(),
};

export class ReferenceDevice extends DeviceBase {
  readonly name = 'reference';
  readonly description = 'plain TypeScript, double arithmetic, one thread';
  readonly computeDTypes: ReadonlySet<ComputeDType> = new Set<ComputeDType>(['f32', 'f64', 'bf16', 'f16']);
  readonly determinism: Determinism = 'batchInvariant';
  readonly rowChunk = 64;
  readonly abilities: Abilities = {
    weights: new Set<DType>([...weightDTypes, 'f64']),
    caches: new Set<DType>([...cacheStoreDTypes, 'f64']),
    storageLimit: Infinity,
    offsetAlignment: 1,
    call: ({ host }) => this.#callHost(host),
  };
  #memory = new Memory();

  /** Nothing is ever pending. */
  async flush(): Promise<void> {}

  /** There is no faster layout: a plain copy. */
  pack(weight: Tensor): Tensor {
    const copy = this.empty(weight.shape, weight.dtype);
    this.kernels.cast(copy, weight);
    return copy;
  }

  protected createKernels(): Kernels {
    const memory = this.#memory;
    return {
      ...linearKernels(memory, this.rowChunk),
      ...rowKernels(memory),
      ...normKernels(memory, this.rowChunk),
      ...ropeKernels(memory),
      ...swigluKernels(memory),
      ...attentionKernels(memory),
      ...crossEntropyKernels(memory, this.rowChunk),
      ...sampleKernels(memory),
      ...elementwiseKernels(memory),
      ...optimizerKernels(memory),
    };
  }

  protected allocateStorage(bytes: number): StorageId {
    return this.#memory.allocate(bytes);
  }

  protected freeStorage(storage: StorageId): void {
    this.#memory.free(storage);
  }

  protected writeStorage(storage: StorageId, offset: number, data: Uint8Array): void {
    new Uint8Array(this.#memory.buffer(storage)).set(data, offset);
  }

  protected async readStorage(storage: StorageId, offset: number, bytes: number): Promise<ArrayBuffer> {
    return this.#memory.buffer(storage).slice(offset, offset + bytes);
  }

  /** Another engine's work, here and now, as everything is. */
  #callHost(host: ForeignCall['host']): void {
    host({
      read: (storage, offset, bytes) =>
        new Uint8Array(this.#memory.buffer(storage).slice(offset, offset + bytes)),
      write: (storage, offset, data) => this.writeBytes(storage, offset, data),
    });
  }

  protected disposeDevice(): void {
    this.#memory.clear();
  }
}
