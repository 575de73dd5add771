import {
  type Abilities,
  cacheStoreDTypes,
  type ComputeDType,
  type Determinism,
  DeviceBase,
  fail,
  type ForeignCall,
  type Kernels,
  type Recording,
  refuseWeight,
  type StorageId,
  Tensor,
  weightDTypes,
} from '@cria/tensor';
import { isBlockFormat, packBlocks, packedBlockBytes } from './block-linear.ts';
import { allocate, CommandList } from './command-list.ts';
import { type Encoder, multipliesHalves, Scratch } from './encoder.ts';
import { createKernels } from './kernels.ts';
import { pack, panelLayout } from './linear.ts';
import { matrix, numbers, packedBytes } from './matrix.ts';
import { failFile, FileReads } from './file-read.ts';
import type { Native } from './native.ts';
import { settle } from './outcome.ts';
import { peakOf } from './peak.ts';
import { type OperationTime, Profile } from './profile.ts';

export interface CpuDeviceOptions {
  readonly native: Native;
  /** Index in `native.isas`. */
  readonly isa: number;
  readonly threads: number;
  readonly background: boolean;
  /** Products of many rows with quantised weights in bf16 by tiles; only with AMX. Default false. */
  readonly fastPrefill?: boolean;
}

/** So many numbers run without being asked: the list stays within what the pool can address. */
const MOST_NUMBERS = 1 << 20;

/**
 * The native device. Kernels append to a command list; `flush` hands the list over in one call, to
 * run in the caller or, with `background`, beside the event loop (then a second list takes what is
 * encoded meanwhile).
 */
export class CpuDevice extends DeviceBase implements Encoder {
  readonly name = 'cpu';
  readonly description: string;
  readonly computeDTypes: ReadonlySet<ComputeDType> = new Set<ComputeDType>(['f32', 'bf16']);
  override readonly preferredDType: ComputeDType;
  readonly determinism: Determinism;
  readonly rowChunk = 64;
  /** Instruction set of the kernels. */
  readonly isa: string;
  readonly threads: number;
  readonly panel: number;
  readonly fastPrefill: boolean;
  readonly scratch: Scratch;
  readonly abilities: Abilities;
  readonly #native: Native;
  readonly #isa: number;
  readonly #background: boolean;
  /** Of threads, where the native side has several. */
  readonly #pool: number | undefined;
  #list: CommandList;
  #spare: CommandList;
  #profile: Profile | undefined;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  /** Storages given back so far. */
  #frees = 0;
  /** Writes and flushes so far: what no recording can repeat. */
  #interruptions = 0;

  constructor({ native, isa, threads, background, fastPrefill = false }: CpuDeviceOptions) {
    super();
    const { name, panel } = native.isas[isa]!;
    this.isa = name;
    this.preferredDType = multipliesHalves(name) ? 'bf16' : 'f32';
    this.panel = panel;
    this.threads = threads;
    this.fastPrefill = fastPrefill;
    this.determinism = fastPrefill ? 'repeatable' : 'batchInvariant';
    const prefill = fastPrefill ? ', fast prefill' : '';
    this.description = `${name}, ${threads} ${threads === 1 ? 'thread' : 'threads'}${prefill}`;
    this.#native = native;
    this.#isa = isa;
    this.#background = background;
    this.#pool = native.openPool?.();
    this.#list = new CommandList(native);
    this.#spare = new CommandList(native);
    this.scratch = new Scratch(native);
    const reads = native.readFile && new FileReads(native.readFile, this);
    this.readFile = reads && ((...place) => reads.read(...place));
    const { mapFile, readFile, readInto, record, call } = this;
    this.abilities = {
      weights: weightDTypes,
      caches: cacheStoreDTypes,
      storageLimit: Infinity,
      offsetAlignment: 1,
      mapFile,
      ...(readFile && { readFile }),
      readInto,
      record,
      call,
      measurePeak: (dtype) => peakOf(native, threads, isa, dtype === 'bf16' ? 'bf16' : 'f32'),
    };
  }

  /** The list that takes commands. A long one is run before it takes more. */
  get list(): CommandList {
    if (this.#list.length > MOST_NUMBERS && !this.#list.isOpen) this.#runNow();
    return this.#list;
  }

  flush(): Promise<void> {
    if (!this.#background || this.#profile) return this.#flushNow();
    if (this.#list.length === 0 && this.#next === undefined) return this.#running ?? Promise.resolve();
    // While a list runs, the other one is still growing: it is handed over when the first is done.
    if (this.#running) {
      const over = this.#running.catch(() => {}); // whoever waits for it hears of its failure
      return (this.#next ??= over.then(() => this.#handOver()));
    }
    return this.#handOver();
  }

  readonly record = (encode: () => void): Recording | undefined => {
    const { list } = this;
    const [start, interruptions, age] = [list.length, this.#interruptions, this.#age];
    encode();
    if (this.#interruptions !== interruptions || this.#age !== age) return undefined;
    const commands = list.since(start);
    const isValid = () => this.#age === age;
    return {
      get valid() {
        return isValid();
      },
      repeat: () => this.list.append(commands),
    };
  };

  /** `abilities.call`; what is not native runs between two lists. */
  readonly call = ({ name, native, host }: ForeignCall): void => {
    if (native && this.#pool !== undefined) return this.list.call(name, native);
    this.#runNow();
    host({
      read: (storage, offset, bytes) => {
        const data = new Uint8Array(bytes);
        this.#native.read(storage, offset, data);
        return data;
      },
      write: (storage, offset, data) => this.#native.write(storage, offset, data),
    });
  };

  /**
   * What every kind of command took of what `work` encodes, the longest first. Commands are run one
   * by one in the caller, which slows a list of many short ones down a little; what they take
   * together, taken from the time of `work`, is what JavaScript took.
   */
  async profile(work: () => unknown): Promise<readonly OperationTime[]> {
    if (this.#profile) fail('cpu.profile', 'a profile is being taken.', 'wait for it');
    await this.flush();
    const profile = (this.#profile = new Profile(this.#native.operations));
    try {
      await work();
      await this.flush();
    } finally {
      this.#profile = undefined;
    }
    return profile.times;
  }

  pack(weight: Tensor): Tensor {
    if (weight.layout !== 'plain') refuseWeight('cpu.pack', weight);
    if (isBlockFormat(weight.dtype)) {
      const place = { storage: this.allocate(packedBlockBytes(weight)), offset: 0 };
      packBlocks(this, place, weight);
      return new Tensor(this, weight.dtype, weight.shape, { ...place, layout: panelLayout(this) });
    }
    const unit = numbers(weight);
    const [columns, k] = [weight.rows, weight.columns];
    const place = { storage: this.allocate(packedBytes(this, unit, columns, k)), offset: 0 };
    pack(this, place, { ...matrix(weight), as: 'across' }, unit, columns, k);
    return new Tensor(this, weight.dtype, weight.shape, { ...place, layout: panelLayout(this) });
  }

  /** Part of a file as a storage, read in as it is touched. What kernels write there stays in memory. */
  readonly mapFile = (path: string, offset: number, bytes: number): StorageId => {
    const storage = this.#native.map(path, offset, bytes);
    if (storage < 0) failFile('cpu.mapFile', 'map', path, offset, bytes, -storage);
    return this.adopt(storage, bytes);
  };

  /**
   * Copies part of a file into memory of this device beside the event loop, cut among `threads`,
   * with no copy in between. Takes effect after the commands encoded so far. The bytes must not be
   * used, nor the storage freed, before the promise is settled. Undefined where the kernels cannot
   * read files.
   */
  readonly readFile:
    | ((path: string, from: number, bytes: number, storage: StorageId, offset: number) => Promise<void>)
    | undefined;

  protected createKernels(): Kernels {
    return createKernels(this);
  }

  protected allocateStorage(bytes: number): StorageId {
    return allocate(this.#native, bytes);
  }

  protected freeStorage(storage: StorageId): void {
    this.#frees++;
    if (this.#idle) this.#native.free(storage);
    else this.list.free(storage);
  }

  protected writeStorage(storage: StorageId, offset: number, data: Uint8Array): void {
    this.#interruptions++;
    if (this.#idle) this.#native.write(storage, offset, data);
    else this.list.write({ storage, offset }, data);
  }

  /** Copies bytes of a storage into memory of the caller's, as they are after the commands encoded so far. */
  readonly readInto = async (storage: StorageId, offset: number, data: Uint8Array): Promise<void> => {
    if (!this.#background) {
      // Without waiting in between, so that nothing encoded later can come first.
      if (this.#list.length > 0) this.#runNow();
      this.#native.read(storage, offset, data);
      return;
    }
    // Later commands may be running by the time this goes on, so the bytes are set aside in command order.
    const aside = allocate(this.#native, data.length);
    try {
      this.list.copy({ storage: aside, offset: 0 }, { storage, offset }, data.length);
      await this.flush();
      this.#native.read(aside, 0, data);
    } finally {
      this.#native.free(aside);
    }
  };

  protected async readStorage(storage: StorageId, offset: number, bytes: number): Promise<ArrayBuffer> {
    const data = new Uint8Array(bytes);
    await this.readInto(storage, offset, data);
    return data.buffer;
  }

  protected disposeDevice(): void {
    try {
      this.#runNow();
    } finally {
      this.#list.dispose();
      this.#spare.dispose();
      this.scratch.dispose();
      if (this.#pool !== undefined) this.#native.closePool?.(this.#pool);
      this.#native.close?.();
    }
  }

  /** Counts all memory that was given back. */
  get #age(): number {
    return this.#frees + this.scratch.moves;
  }

  /** No command waits or runs. */
  get #idle(): boolean {
    return this.#list.length === 0 && this.#running === undefined;
  }

  /** Before it returns; the promise says how that went. */
  async #flushNow(): Promise<void> {
    if (this.#list.length > 0) this.#runNow();
  }

  /** Runs the list in the caller, after whatever was handed over before. */
  #runNow(): void {
    this.#interruptions++;
    const list = this.#list;
    const run = (part: Float64Array) =>
      this.#native.run(part, part.length, this.threads, this.#isa, this.#pool);
    const commands = list.numbers.subarray(0, list.length);
    settle(list, this.#profile ? this.#profile.run(commands, run) : run(commands));
  }

  #handOver(): Promise<void> {
    this.#interruptions++;
    this.#next = undefined;
    const list = this.#list;
    [this.#list, this.#spare] = [this.#spare, list];
    this.#running = this.#native
      .runAsync(list.numbers, list.length, this.threads, this.#isa, this.#pool)
      .then((outcome) => {
        this.#running = undefined;
        settle(list, outcome);
      });
    return this.#running;
  }
}
