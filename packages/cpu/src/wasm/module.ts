import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { Native } from '../native.ts';
import { readFilePart } from './file.ts';
import { Instance, Memory, Module, type SharedMemory } from './web-assembly.ts';

/** What cpp/wasm/exports.cc exports. Addresses come as signed numbers. */
interface Exports {
  alloc(bytes: number): number;
  free(storage: number): void;
  address(storage: number): number;
  liveBytes(): number;
  run(list: number, length: number, threads: number): number;
  panel(): number;
  operations(): number;
  readonly __tls_size: { readonly value: number };
}

/** 4 GiB less a page: reserved at once and taken from the system as it is touched. */
const PAGES = 65535;
const STACK = 262144;
const MOST_THREADS = 64;

/**
 * A worker shares module and memory, has a stack and thread-local block of its own, and never returns. It is given as text, so that it
 * needs no file beside it, whatever bundles this package.
 */
const workerProgram = `
const { workerData: { module, memory, stack, tls, thread } } = require('node:worker_threads');
const { exports } = new WebAssembly.Instance(module, { env: { memory } });
exports.__stack_pointer.value = stack;
exports.__wasm_init_tls(tls);
exports.work(thread);
`;

/**
 * The kernels compiled to wasm SIMD128, behind the same functions as the native file, with `pages` of 64 KiB. Throws where
 * the file is not ours.
 */
export function instantiate(path: string, pages: number = PAGES): Native {
  const module = new Module(readFileSync(path));
  const memory = new Memory({ initial: pages, maximum: PAGES, shared: true });
  const { exports } = new Instance(module, { env: { memory } }) as unknown as {
    exports: Exports;
  };
  return new WasmNative(module, memory, exports);
}

class WasmNative implements Native {
  readonly operations: readonly string[];
  readonly isas: Native['isas'];
  readonly #module: object;
  readonly #memory: SharedMemory;
  readonly #exports: Exports;
  readonly #bytes: Uint8Array;
  /** Threads there are, the caller included. */
  #threads = 1;
  /** Storage that the list is copied to, and its size in numbers. */
  #list = 0;
  #capacity = 0;

  constructor(module: object, memory: SharedMemory, exports: Exports) {
    this.#module = module;
    this.#memory = memory;
    this.#exports = exports;
    this.#bytes = new Uint8Array(memory.buffer);
    this.operations = this.#text(exports.operations() >>> 0)
      .split(' ')
      .slice(1);
    this.isas = [{ name: 'wasm', available: true, panel: exports.panel() }];
  }

  alloc(bytes: number): number {
    return this.#exports.alloc(bytes);
  }

  free(storage: number): void {
    this.#exports.free(storage);
  }

  /** Read in whole: wasm's memory cannot be a file's. */
  map(path: string, offset: number, bytes: number): number {
    const storage = this.alloc(bytes);
    if (storage === 0) return -12; // ENOMEM
    const start = this.#address(storage);
    const failure = readFilePart(path, offset, this.#bytes.subarray(start, start + bytes));
    if (failure === 0) return storage;
    this.free(storage);
    return -failure;
  }

  /** A function without `this`, as the native file's are. */
  readonly readFile = async (
    path: string,
    from: number,
    bytes: number,
    storage: number,
    offset: number,
  ): Promise<number> => {
    const start = this.#address(storage) + offset;
    return readFilePart(path, from, this.#bytes.subarray(start, start + bytes));
  };

  write(storage: number, offset: number, data: Uint8Array): void {
    this.#bytes.set(data, this.#address(storage) + offset);
  }

  read(storage: number, offset: number, data: Uint8Array): void {
    const start = this.#address(storage) + offset;
    data.set(this.#bytes.subarray(start, start + data.byteLength));
  }

  run(list: Float64Array, length: number, threads: number): number {
    if (length > this.#capacity && !this.#makeRoom(length)) return 0;
    const bytes = new Uint8Array(list.buffer, list.byteOffset, 8 * length);
    this.#bytes.set(bytes, this.#address(this.#list));
    this.#startWorkers(threads);
    return this.#exports.run(this.#list, length, threads);
  }

  /** There is no second caller here: the list runs now, and in order. */
  runAsync(list: Float64Array, length: number, threads: number): Promise<number> {
    return Promise.resolve(this.run(list, length, threads));
  }

  liveBytes(): number {
    return this.#exports.liveBytes() - 8 * this.#capacity;
  }

  #makeRoom(length: number): boolean {
    if (this.#list > 0) this.free(this.#list);
    this.#capacity = 2 * length;
    this.#list = this.alloc(8 * this.#capacity);
    if (this.#list === 0) this.#capacity = 0;
    return this.#list > 0;
  }

  /** A list does not wait for them: it runs on whoever is there. */
  #startWorkers(threads: number): void {
    for (; this.#threads < Math.min(threads, MOST_THREADS); this.#threads++) {
      const stack = this.alloc(STACK);
      const tls = this.alloc(Math.max(64, this.#exports.__tls_size.value));
      if (stack === 0 || tls === 0) return;
      const worker = new Worker(workerProgram, {
        eval: true,
        execArgv: [], // no loader of the caller's: it would wait for the caller's event loop
        workerData: {
          module: this.#module,
          memory: this.#memory,
          stack: this.#address(stack) + STACK,
          tls: this.#address(tls),
          thread: this.#threads,
        },
      });
      worker.unref();
    }
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
