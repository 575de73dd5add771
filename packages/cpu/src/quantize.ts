import { availableParallelism } from 'node:os';
import { byteLength, checkOptions, dtypes, fail, type QuantizableDType, quantizable } from '@cria/tensor';
import { loadNative, type Native } from './native.ts';

export interface QuantizerOptions {
  /** Threads that compute; default `os.availableParallelism()`. The bits do not depend on it. */
  readonly threads?: number;
  /** Instruction set; default the fastest of this machine. The bits do not depend on it. */
  readonly isa?: string;
}

export interface QuantizedRows {
  readonly blocks: Uint8Array;
  /** Σ (stored − exact)² and the largest difference; the sum is not finite where a number was not. */
  readonly error: { readonly squares: number; readonly largest: number };
}

/** GGUF's block formats from float32 in vectorised code, beside the event loop. One call runs at a time; others wait. */
export interface NativeQuantizer extends Disposable {
  /**
   * x: [rows, columns]   importance: [columns] or none → the blocks that `quantize` of @cria/tensor gives, bit for bit.
   * Throws where rows are no whole blocks.
   */
  quantize(
    dtype: QuantizableDType,
    x: Float32Array,
    columns: number,
    importance?: Float32Array,
  ): Promise<QuantizedRows>;
  /** The same for `elements` little-endian float32 numbers from byte `offset` of a file, which is mapped, not read. */
  quantizeFile(
    dtype: QuantizableDType,
    place: { readonly file: string; readonly offset: number; readonly elements: number },
    columns: number,
    importance?: Float32Array,
  ): Promise<QuantizedRows>;
}

/** The native quantisers, or undefined where no native file can be loaded: `plainQuantizer` of @cria/checkpoint gives the same bits. */
export function nativeQuantizer(options: QuantizerOptions = {}): NativeQuantizer | undefined {
  checkOptions('nativeQuantizer', options, ['threads', 'isa']);
  const { native } = loadNative();
  if (!native?.operations.includes('quantize')) return undefined; // a file of an older version has none
  const { threads = availableParallelism(), isa } = options;
  const index = native.isas.findIndex(({ name, available }) => available && (isa ?? name) === name);
  if (index < 0) fail('nativeQuantizer', `this machine has no instruction set "${isa}".`);
  return new Quantizer(native, threads, index);
}

export class Quantizer implements NativeQuantizer {
  readonly #native: Native;
  readonly #threads: number;
  readonly #isa: number;
  readonly #operation: number;
  /** Input, blocks, importance, errors. */
  readonly #memory: readonly [Growing, Growing, Growing, Growing];
  #last: Promise<unknown> = Promise.resolve();

  constructor(native: Native, threads: number, isa: number) {
    this.#native = native;
    this.#threads = threads;
    this.#isa = isa;
    this.#operation = native.operations.indexOf('quantize');
    this.#memory = [new Growing(native), new Growing(native), new Growing(native), new Growing(native)];
  }

  quantize(
    dtype: QuantizableDType,
    x: Float32Array,
    columns: number,
    importance?: Float32Array,
  ): Promise<QuantizedRows> {
    checkRows(dtype, x.length, columns, importance);
    const [input] = this.#memory;
    return this.#inTurn(() => this.#run(dtype, input.fill(x), 0, x.length, columns, importance));
  }

  quantizeFile(
    dtype: QuantizableDType,
    { file, offset, elements }: { readonly file: string; readonly offset: number; readonly elements: number },
    columns: number,
    importance?: Float32Array,
  ): Promise<QuantizedRows> {
    checkRows(dtype, elements, columns, importance);
    return this.#inTurn(async () => {
      const storage = this.#native.map(file, offset, 4 * elements);
      if (storage < 0)
        fail(
          'quantize',
          `bytes ${offset} to ${offset + 4 * elements} of ${file} cannot be mapped (error ${-storage}).`,
        );
      try {
        return await this.#run(dtype, storage, 0, elements, columns, importance);
      } finally {
        this.#native.free(storage);
      }
    });
  }

  #inTurn(work: () => Promise<QuantizedRows>): Promise<QuantizedRows> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined); // each caller hears of its own failure
    return result;
  }

  async #run(
    dtype: QuantizableDType,
    input: number,
    offset: number,
    elements: number,
    columns: number,
    importance: Float32Array | undefined,
  ): Promise<QuantizedRows> {
    const rows = elements / columns;
    const blocks = new Uint8Array(byteLength(dtype, elements));
    const errors = new Float64Array(2 * Math.max(1, rows)); // no chunk is less than a row
    const [, output, weights, error] = this.#memory;
    const importancePlace = importance ? weights.fill(importance) : 0;
    const places = [output.room(blocks.length), 0, input, offset, importancePlace, 0, error.fill(errors), 0];
    const list = Float64Array.from([this.#operation, 13, ...places, dtypes[dtype].ggml, rows, columns]);
    const refused = await this.#native.runAsync(list, list.length, this.#threads, this.#isa);
    if (refused >= 0)
      fail(
        'quantize',
        'the native file does not know the operation.',
        'it is of another version: build it anew',
      );
    output.read(blocks);
    error.read(new Uint8Array(errors.buffer));
    let squares = 0;
    let largest = 0;
    for (let i = 0; i < errors.length; i += 2) {
      squares += errors[i]!;
      largest = Math.max(largest, errors[i + 1]!);
    }
    return { blocks, error: { squares, largest } };
  }

  /** Gives the memory back once the calls made so far are done. */
  [Symbol.dispose](): void {
    this.#last = this.#last.then(() => {
      for (const memory of this.#memory) memory.free();
    });
  }
}

function checkRows(
  dtype: QuantizableDType,
  elements: number,
  columns: number,
  importance: Float32Array | undefined,
): void {
  const op = 'quantize';
  if (!quantizable.includes(dtype))
    fail(op, `${String(dtype)} cannot be written.`, `known are ${quantizable.join(', ')}`);
  if (!(columns > 0 && columns % dtypes[dtype].blockSize === 0 && Number.isInteger(elements / columns)))
    fail(op, `${elements} weights in rows of ${columns} are no whole blocks of ${dtype}.`);
  if (importance && importance.length !== columns)
    fail(op, `importance of ${importance.length} columns for rows of ${columns}.`);
}

/** A storage that grows to the largest piece it was asked for. */
class Growing {
  readonly #native: Native;
  #storage = 0;
  #bytes = 0;

  constructor(native: Native) {
    this.#native = native;
  }

  room(bytes: number): number {
    if (bytes > this.#bytes) {
      this.free();
      this.#storage = this.#native.alloc(bytes);
      if (this.#storage === 0) fail('quantize', `${bytes} bytes cannot be allocated.`);
      this.#bytes = bytes;
    }
    return this.#storage;
  }

  fill(data: Float32Array | Float64Array): number {
    const storage = this.room(data.byteLength);
    this.#native.write(storage, 0, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    return storage;
  }

  read(into: Uint8Array): void {
    this.#native.read(this.#storage, 0, into);
  }

  free(): void {
    if (this.#storage !== 0) this.#native.free(this.#storage);
    this.#storage = 0;
    this.#bytes = 0;
  }
}
