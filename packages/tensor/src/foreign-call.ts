import type { StorageId } from './device.ts';

/**
 * Work of another engine in the order of a device's commands: a collective of MPI or of threads, a
 * library's product. It comes when all commands encoded before it are done, and those encoded after
 * it wait for it. It may fail: see `call` of a device's abilities.
 */
export interface ForeignCall {
  /** For messages: `all-reduce`. */
  readonly name: string;
  /**
   * For devices whose lists run outside JavaScript, in this process: the address of a function
   * `int (*)(void* context, const double* numbers, char* const* storages)`, which answers 0, or a
   * status from 1 to 65,535 where it fails. `storages[id]` is where storage `id` begins. Function
   * and context stay as long as the list that holds the call, and its recordings.
   */
  readonly native?: {
    readonly address: number;
    readonly context: number;
    /** At most 48: storages, offsets, sizes. */
    readonly numbers: readonly number[];
  };
  /** The same in JavaScript, for every other device: throws where it fails. */
  readonly host: (memory: CallMemory) => void;
}

/**
 * What a call in JavaScript sees of its device's memory while it runs: as the commands before it
 * left it, without waiting.
 */
export interface CallMemory {
  /** A copy. */
  read(storage: StorageId, offset: number, bytes: number): Uint8Array<ArrayBuffer>;
  write(storage: StorageId, offset: number, data: Uint8Array): void;
}
