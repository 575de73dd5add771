import { closeSync, openSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { byteLength, checkOptions, dtypes, fail, type QuantizableDType, quantizable } from '@cria/tensor';
import { SingleCommand } from './command-list.ts';
import { failFile } from './file-read.ts';
import * as commands from './generated/commands.ts';
import { loadNative, type Native } from './native.ts';

const op = 'quantize';

/** What both commands have in common. */
type Places = Pick<commands.QuantizeArguments, 'out' | 'importance' | 'errors'>;
const at = (storage: number) => ({ storage, offset: 0 });

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

/** Rows of numbers in a file. */
export interface NumbersInFile {
  readonly file: string;
  /** First byte. */
  readonly offset: number;
  readonly elements: number;
  /** Little-endian numbers of this type. Default f32. */
  readonly dtype?: keyof typeof SOURCES;
  /** Rows come in heads of so many in Hugging Face's order and go out in Meta's. Default: in the order of the file. */
  readonly halfSplit?: number | undefined;
}

const SOURCES = { f32: 0, bf16: 1, f16: 2 } as const;

/** GGUF's block formats in vectorised code, beside the event loop. Of several calls one computes at a time. */
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
  /** The same for numbers in a file, which the computing threads read piece by piece. */
  quantizeFile(
    dtype: QuantizableDType,
    place: NumbersInFile,
    columns: number,
    importance?: Float32Array,
  ): Promise<QuantizedRows>;
}

/**
 * The native quantisers, or undefined where no native file can be loaded: `plainQuantizer` of
 * @cria/checkpoint gives the same bits.
 */
export function nativeQuantizer(options: QuantizerOptions = {}): NativeQuantizer | undefined {
  checkOptions('nativeQuantizer', options, ['threads', 'isa']);
  const { native } = loadNative();
  if (!native?.operations.includes('quantizeFile')) return undefined; // a file of an older version has none
  const { threads = availableParallelism(), isa } = options;
  const index = native.isas.findIndex(({ name, available }) => available && (isa ?? name) === name);
  if (index < 0) fail('nativeQuantizer', `this machine has no instruction set "${isa}".`);
  return new Quantizer(native, threads, index);
}

export class Quantizer implements NativeQuantizer {
  readonly #native: Native;
  readonly #threads: number;
  readonly #isa: number;
  /** Two, so that the blocks of one call are taken out while the next one computes. */
  readonly #slots: readonly [Slot, Slot];
  #calls = 0;

  constructor(native: Native, threads: number, isa: number) {
    this.#native = native;
    this.#threads = threads;
    this.#isa = isa;
    this.#slots = [new Slot(native), new Slot(native)];
  }

  quantize(
    dtype: QuantizableDType,
    x: Float32Array,
    columns: number,
    importance?: Float32Array,
  ): Promise<QuantizedRows> {
    checkRows(dtype, x.length, columns, importance);
    return this.#inTurn((slot) => {
      const shape = { type: dtypes[dtype].ggml, rows: x.length / columns, columns };
      const input = at(slot.input.fill(x));
      return this.#run(slot, dtype, x.length, columns, importance, (list, places) =>
        commands.quantize(list, { ...places, x: input, ...shape }),
      );
    });
  }

  quantizeFile(
    dtype: QuantizableDType,
    { file, offset, elements, dtype: source = 'f32', halfSplit = 0 }: NumbersInFile,
    columns: number,
    importance?: Float32Array,
  ): Promise<QuantizedRows> {
    checkRows(dtype, elements, columns, importance);
    const rows = elements / columns;
    if (!Object.hasOwn(SOURCES, source)) fail(op, `numbers of type ${String(source)} are not read.`);
    if (!(Number.isInteger(halfSplit / 2) && halfSplit >= 0 && (halfSplit === 0 || rows % halfSplit === 0)))
      fail(op, `${rows} rows are no whole heads of ${halfSplit}.`);
    return this.#inTurn(async (slot) => {
      const handle = openSync(file, 'r');
      const place = { file: handle, from: offset, source: SOURCES[source], head: halfSplit };
      const shape = { type: dtypes[dtype].ggml, rows, columns };
      try {
        return await this.#run(slot, dtype, elements, columns, importance, (list, places) =>
          commands.quantizeFile(list, { ...places, ...place, ...shape }),
        );
      } catch (error) {
        if (!(error instanceof ReadError)) throw error;
        const bytes = elements * (source === 'f32' ? 4 : 2);
        return failFile(op, 'read', file, offset, bytes, error.code);
      } finally {
        closeSync(handle);
      }
    });
  }

  #inTurn(work: (slot: Slot) => Promise<QuantizedRows>): Promise<QuantizedRows> {
    const slot = this.#slots[this.#calls++ & 1]!;
    const result = slot.last.then(() => work(slot));
    slot.last = result.catch(() => undefined); // each caller hears of its own failure
    return result;
  }

  async #run(
    slot: Slot,
    dtype: QuantizableDType,
    elements: number,
    columns: number,
    importance: Float32Array | undefined,
    encode: (list: SingleCommand, places: Places) => void,
  ): Promise<QuantizedRows> {
    const blocks = Buffer.allocUnsafeSlow(byteLength(dtype, elements));
    const errors = new Float64Array(2 * Math.max(1, elements / columns)); // no chunk is less than a row
    const list = new SingleCommand();
    encode(list, {
      out: at(slot.output.room(blocks.length)),
      importance: importance && at(slot.weights.fill(importance)),
      errors: at(slot.errors.fill(errors)),
    });
    const { numbers } = list;
    const refused = await this.#native.runAsync(numbers, numbers.length, this.#threads, this.#isa);
    if (refused >= 0)
      fail(op, 'the native file does not know the operation.', 'it is of another version: build it anew');
    slot.errors.read(new Uint8Array(errors.buffer));
    let squares = 0;
    let largest = 0;
    for (let i = 0; i < errors.length; i += 2) {
      if (errors[i + 1]! < 0) throw new ReadError(-errors[i + 1]!);
      squares += errors[i]!;
      largest = Math.max(largest, errors[i + 1]!);
    }
    slot.output.read(blocks);
    return { blocks, error: { squares, largest } };
  }

  /** Gives the memory back once the calls made so far are done. */
  [Symbol.dispose](): void {
    for (const slot of this.#slots) slot.last = slot.last.then(() => slot.free());
  }
}

/** Reading failed with this error number. */
class ReadError extends Error {
  readonly code: number;

  constructor(code: number) {
    super(`error ${code}`);
    this.code = code;
  }
}

/** The memory of one call. */
class Slot {
  readonly input: Growing;
  readonly output: Growing;
  readonly weights: Growing;
  readonly errors: Growing;
  /** The end of the call that has it now. */
  last: Promise<unknown> = Promise.resolve();

  constructor(native: Native) {
    [this.input, this.output, this.weights, this.errors] = [
      new Growing(native),
      new Growing(native),
      new Growing(native),
      new Growing(native),
    ];
  }

  free(): void {
    for (const memory of [this.input, this.output, this.weights, this.errors]) memory.free();
  }
}

function checkRows(
  dtype: QuantizableDType,
  elements: number,
  columns: number,
  importance: Float32Array | undefined,
): void {
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
