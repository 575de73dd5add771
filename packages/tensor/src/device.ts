import type { Abilities } from './abilities.ts';
import type { ComputeDType, DType } from './dtype.ts';
import type { Kernels } from './kernels.ts';
import type { Shape, Tensor } from './tensor.ts';

/** A number that names memory of one device; never a JavaScript buffer. */
export type StorageId = number;

/**
 * What does not change the bits of a result: `batchInvariant` rows that share a call, tiles,
 * threads; `repeatable` only threads and repetition; `none` nothing is promised.
 */
export type Determinism = 'batchInvariant' | 'repeatable' | 'none';

export interface DeviceMemory {
  /** Bytes allocated now. */
  readonly allocated: number;
  /** Most bytes that were allocated at one time. */
  readonly peak: number;
}

/** Commands that a device keeps, to be encoded again without the calls that encoded them. */
export interface Recording {
  /** False once the device has given any memory back: what the commands read may be gone. */
  readonly valid: boolean;
  /** Encodes the same commands, over the same memory. */
  repeat(): void;
}

/**
 * One place to compute: memory, and a command list of kernels. Launching is encoding, reading is
 * waiting: kernels, writes and frees take effect in the order in which they were called, and only
 * `flush` and the reads wait for them.
 */
export interface Device extends Disposable {
  /** `reference`, `cpu`, … */
  readonly name: string;
  /** One line for people: instruction set, threads. */
  readonly description: string;
  readonly kernels: Kernels;
  /** What it can do beyond what every device must, and the limits of its memory. */
  readonly abilities: Abilities;
  /** Dtypes that activations may have here. */
  readonly computeDTypes: ReadonlySet<ComputeDType>;
  /** The one of them in which training is fastest here without losing accuracy that matters: what `auto` means. */
  readonly preferredDType: ComputeDType;
  readonly determinism: Determinism;
  /** Rows per chunk of sums over tokens: batches split at multiples of this give the same bits. At most 64. */
  readonly rowChunk: number;
  readonly memory: DeviceMemory;

  /** Zeroed memory, aligned to 64 bytes at least. */
  allocate(bytes: number): StorageId;
  /** Gives memory back once the commands encoded so far are done with it. */
  free(storage: StorageId): void;
  /** Copies bytes in, in command order; `data` may be changed as soon as this returns. */
  writeBytes(storage: StorageId, offset: number, data: Uint8Array): void;
  /** Flushes, waits, copies out. */
  readBytes(storage: StorageId, offset: number, bytes: number): Promise<ArrayBuffer>;
  /** Runs what was encoded and waits for it. */
  flush(): Promise<void>;

  /** A zeroed tensor with memory of its own, freed with `free(tensor.storage)` or with the device. */
  empty(shape: Shape, dtype: DType): Tensor;
  /** The same, filled. */
  tensor(data: ArrayLike<number>, shape: Shape, dtype: DType): Tensor;
  /**
   * The weight [N, C] in this device's fastest layout for `linear`: a new tensor in memory of its
   * own. The original is untouched; the caller gives it back. Where the device has no better layout
   * the copy is plain.
   */
  pack(weight: Tensor): Tensor;
}
