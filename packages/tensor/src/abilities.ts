import type { Recording, StorageId } from './device.ts';
import type { ComputeDType, DType } from './dtype.ts';
import type { ForeignCall } from './foreign-call.ts';

/**
 * What a device can do and how its memory is cut, as data: whoever builds on a device asks here,
 * never for its name. An absent function is an ability that the device does not have.
 */
export interface Abilities {
  /** Dtypes of weights that products and lookups read as they are stored. */
  readonly weights: ReadonlySet<DType>;
  /** Dtypes that a cache of keys and values may be stored in. */
  readonly caches: ReadonlySet<DType>;
  /** Bytes of one storage at most; what is larger is cut into several. `Infinity` where memory is the only limit. */
  readonly storageLimit: number;
  /**
   * Tensors begin at multiples of so many bytes in their storage; 1 where only their elements' own
   * size counts. A power of two.
   */
  readonly offsetAlignment: number;

  /** Maps part of a file read-only. */
  readonly mapFile?: (path: string, offset: number, bytes: number) => StorageId;
  /**
   * Copies part of a file into a storage with no copy in between, after the commands encoded so
   * far. The bytes must not be used, nor the storage freed, before the promise is settled.
   */
  readonly readFile?: (
    path: string,
    from: number,
    bytes: number,
    storage: StorageId,
    offset: number,
  ) => Promise<void>;
  /** As `readBytes` of the device, into memory of the caller's. */
  readonly readInto?: (storage: StorageId, offset: number, data: Uint8Array) => Promise<void>;
  /**
   * Calls `encode` and keeps the commands that it encodes. Undefined where they are no commands to
   * repeat: something was written from the host, or memory given back, or commands run, by the way.
   * `Step.repeat` knows when to use it.
   */
  readonly record?: (encode: () => void) => Recording | undefined;
  /**
   * Takes another engine's work into the order of commands. Where it fails, nothing behind it in
   * the list takes effect, and the flush or the read that runs the list rejects with its name and
   * status; what is encoded afterwards works. A device that calls `host` runs what was encoded
   * before, and throws here and now. Recordings repeat native calls.
   */
  readonly call?: (call: ForeignCall) => void;
  /** Multiply-adds at full rate as products of a dtype do them, in GFLOP/s, measured in some tens of milliseconds. */
  readonly measurePeak?: (dtype: ComputeDType) => number;
}

/** Every format of weights that there is in files: floats, and the quantised blocks of GGUF. */
export const weightDTypes: ReadonlySet<DType> = new Set<DType>([
  'f32',
  'bf16',
  'f16',
  'q8_0',
  'q4_0',
  'q4_1',
  'q5_0',
  'q5_1',
  'q4_k',
  'q5_k',
  'q6_k',
]);

/** How caches of keys and values are stored where a device has every form. */
export const cacheStoreDTypes: ReadonlySet<DType> = new Set<DType>(['f32', 'bf16', 'f16', 'q8_0']);
