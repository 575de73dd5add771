import type { Native } from '../native.ts';
import { Instance, Memory, type WasmMemory, type WasmModule } from './web-assembly.ts';

/** What cpp/wasm/exports.cc exports. Addresses come as signed numbers. */
interface Exports {
  alloc(bytes: number): number;
  free(storage: number): void;
  address(storage: number): number;
  liveBytes(): number;
  takeTurn(): number;
  run(turn: number, list: number, length: number, threads: number, maySleep: number): number;
  panel(): number;
  operations(): number;
  /** Absent in files that are older than fingerprints. */
  sources?(): number;
  layout?(): number;
  readonly __tls_size: { readonly value: number };
}

/** What a worker needs to become a thread of the module. */
export interface ThreadStart {
  readonly module: WasmModule;
  readonly memory: WasmMemory;
  /** End of its stack, which grows downward. */
  readonly stack: number;
  /** Its thread-local block. */
  readonly tls: number;
  /** Counts from 1; 0 is whoever runs the list. */
  readonly thread: number;
}

/** A list for the worker that is thread 0: the arguments of `run`. */
export type ListCall = readonly [turn: number, list: number, length: number, threads: number];

/** What the kernels' surroundings can do for them. */
export interface WasmHost {
  /** Starts a worker that becomes a thread of the module. Absent where memory cannot be shared. */
  readonly startThread?: ((start: ThreadStart) => void) | undefined;
  /** Whether the caller may sleep while others compute: a browser's page may not. */
  readonly maySleep: boolean;
  /** Runs a list on a worker that is thread 0, beside the caller. Absent where the caller runs it itself. */
  readonly lead?: ((call: ListCall) => Promise<number>) | undefined;
  /** Fills `into` from byte `offset` of a file; 0, or a system error number. Absent where there are no files. */
  readonly readFilePart?: ((path: string, offset: number, into: Uint8Array) => number) | undefined;
  /** Ends all workers. Absent where the module lives as long as the process. */
  readonly close?: (() => void) | undefined;
}

/** 4 GiB less a page: reserved at once and taken from the system as it is touched. */
export const MOST_PAGES = 65535;
const STACK = 262144;
export const MOST_THREADS = 64;
const ENOMEM = 12;
const ENOSYS = 38;

/**
 * Steps by which a worker becomes a thread, in JavaScript; needs `module`, `memory`, `stack` and
 * `tls`, leaves `exports`.
 */
export const threadProgram = `
const { exports } = new WebAssembly.Instance(module, { env: { memory } });
exports.__stack_pointer.value = stack;
exports.__wasm_init_tls(tls);
`;

/** Numbers that the module reads as a list: grows, never shrinks. */
interface ListPlace {
  storage: number;
  /** In numbers. */
  capacity: number;
}

/** The kernels compiled to wasm SIMD128, behind the same functions as the native file. */
export class WasmNative implements Native {
  readonly sources: Native['sources'];
  readonly layout: Native['layout'];
  readonly operations: readonly string[];
  readonly isas: Native['isas'];
  readonly readFile: Native['readFile'];
  readonly #module: WasmModule;
  readonly #memory: WasmMemory;
  readonly #exports: Exports;
  readonly #bytes: Uint8Array;
  readonly #host: WasmHost;
  /** Threads there are, the caller included. */
  #threads = 1;
  #now: ListPlace = { storage: 0, capacity: 0 };
  #later: ListPlace = { storage: 0, capacity: 0 };

  /** `pages` of 64 KiB. Throws where the module is not ours. */
  constructor(module: WasmModule, host: WasmHost, pages: number = MOST_PAGES) {
    const shared = host.startThread !== undefined;
    this.#module = module;
    this.#memory = new Memory({ initial: pages, maximum: MOST_PAGES, shared });
    const instance = new Instance(module, { env: { memory: this.#memory } });
    this.#exports = instance.exports as Exports;
    this.#bytes = new Uint8Array(this.#memory.buffer);
    this.#host = host;
    this.sources = this.#exports.sources && this.#text(this.#exports.sources() >>> 0);
    this.layout = this.#exports.layout && this.#text(this.#exports.layout() >>> 0);
    this.operations = this.#text(this.#exports.operations() >>> 0)
      .split(' ')
      .slice(1);
    this.isas = [{ name: 'wasm', available: true, panel: this.#exports.panel() }];
    // A function without `this`, as the native file's are.
    if (host.readFilePart)
      this.readFile = async (path, from, bytes, storage, offset) =>
        host.readFilePart!(path, from, this.#view(storage, offset, bytes));
  }

  alloc(bytes: number): number {
    return this.#exports.alloc(bytes);
  }

  free(storage: number): void {
    this.#exports.free(storage);
  }

  /** Read in whole: wasm's memory cannot be a file's. */
  map(path: string, offset: number, bytes: number): number {
    if (!this.#host.readFilePart) return -ENOSYS;
    const storage = this.alloc(bytes);
    if (storage === 0) return -ENOMEM;
    const failure = this.#host.readFilePart(path, offset, this.#view(storage, 0, bytes));
    if (failure === 0) return storage;
    this.free(storage);
    return -failure;
  }

  write(storage: number, offset: number, data: Uint8Array): void {
    this.#bytes.set(data, this.#address(storage) + offset);
  }

  read(storage: number, offset: number, data: Uint8Array): void {
    data.set(this.#view(storage, offset, data.byteLength));
  }

  /** In the caller, who waits without sleeping where it may not. */
  run(list: Float64Array, length: number, threads: number): number {
    if (!this.#copy(this.#now, list, length)) return 0;
    this.startThreads(threads);
    const maySleep = this.#host.maySleep ? 1 : 0;
    return this.#exports.run(this.#exports.takeTurn(), this.#now.storage, length, threads, maySleep);
  }

  /**
   * On the worker that leads; where there is none the list runs now. The next one is handed over
   * when this one has ended.
   */
  runAsync(list: Float64Array, length: number, threads: number): Promise<number> {
    const { lead } = this.#host;
    if (!lead) return Promise.resolve(this.run(list, length, threads));
    if (!this.#copy(this.#later, list, length)) return Promise.resolve(0);
    this.startThreads(threads);
    return lead([this.#exports.takeTurn(), this.#later.storage, length, threads]);
  }

  liveBytes(): number {
    return this.#exports.liveBytes() - 8 * (this.#now.capacity + this.#later.capacity);
  }

  close(): void {
    this.#host.close?.();
  }

  /**
   * Makes workers until there are so many threads with the caller. A list does not wait for them:
   * it runs on whoever is there.
   */
  startThreads(threads: number): void {
    const start = this.#host.startThread;
    if (!start) return;
    for (; this.#threads < Math.min(threads, MOST_THREADS); this.#threads++)
      start(this.newThread(this.#threads));
  }

  /** Stack and thread-local block of a thread, which are never given back. */
  newThread(thread: number): ThreadStart {
    const [stack, tls] = [this.alloc(STACK), this.alloc(Math.max(64, this.#exports.__tls_size.value))];
    if (stack === 0 || tls === 0) throw new Error(`[wasm] no memory is left for thread ${thread}.`);
    return {
      module: this.#module,
      memory: this.#memory,
      stack: this.#address(stack) + STACK,
      tls: this.#address(tls),
      thread,
    };
  }

  /** Whether there was room for the list. */
  #copy(place: ListPlace, list: Float64Array, length: number): boolean {
    if (length > place.capacity) {
      if (place.storage > 0) this.free(place.storage);
      place.capacity = 2 * length;
      place.storage = this.alloc(8 * place.capacity);
      if (place.storage === 0) place.capacity = 0;
      if (place.storage === 0) return false;
    }
    const bytes = new Uint8Array(list.buffer, list.byteOffset, 8 * length);
    this.#bytes.set(bytes, this.#address(place.storage));
    return true;
  }

  #view(storage: number, offset: number, bytes: number): Uint8Array {
    const start = this.#address(storage) + offset;
    return this.#bytes.subarray(start, start + bytes);
  }

  #address(storage: number): number {
    return this.#exports.address(storage) >>> 0;
  }

  #text(start: number): string {
    let text = '';
    for (let i = start; this.#bytes[i] !== 0; i++) text += String.fromCharCode(this.#bytes[i]!);
    return text;
  }
}
