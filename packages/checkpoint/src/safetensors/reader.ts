import { fail } from '@cria/tensor';
import { openModelFile } from '../model-file.ts';
import type { RangeFile } from '../range-file.ts';
import { type HeaderTensor, headerLength, parseHeader } from './header.ts';

/** Holds the whole header of most models. */
const FIRST_READ = 1 << 16;

/**
 * A safetensors file. Opening reads and checks the header only; tensors are read in ranges when
 * asked for.
 */
export class SafetensorsFile {
  readonly metadata: Readonly<Record<string, string>>;
  /** By name, in the order of their data. */
  readonly tensors: ReadonlyMap<string, HeaderTensor>;
  readonly #file: RangeFile;
  /** Where tensor data begins in the file. */
  readonly dataStart: number;

  private constructor(
    file: RangeFile,
    dataStart: number,
    metadata: Readonly<Record<string, string>>,
    tensors: readonly HeaderTensor[],
  ) {
    this.#file = file;
    this.dataStart = dataStart;
    this.metadata = metadata;
    this.tensors = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  }

  /** Throws, naming file, tensor and values, on anything the format forbids. */
  static async open(path: string): Promise<SafetensorsFile> {
    const op = 'safetensors.open';
    const file = await openModelFile(op, path);
    const front = await file.read(op, 0, Math.min(FIRST_READ, file.size));
    const length = headerLength(op, path, file.size, front);
    const header =
      8 + length <= front.length ? front.subarray(8, 8 + length) : await file.read(op, 8, 8 + length);
    const { metadata, tensors } = parseHeader(op, path, header, file.size - 8 - length);
    return new SafetensorsFile(file, 8 + length, metadata, tensors);
  }

  get path(): string {
    return this.#file.path;
  }

  get bytes(): number {
    return this.#file.size;
  }

  /** Stored bytes `begin` to `end` of a tensor (all of it by default): row-major, little-endian. */
  async read(name: string, begin = 0, end?: number): Promise<Uint8Array> {
    const op = 'safetensors.read';
    const tensor = this.tensors.get(name) ?? fail(op, `${this.path} has no tensor "${name}".`);
    const size = tensor.end - tensor.begin;
    const last = end ?? size;
    if (!(0 <= begin && begin <= last && last <= size))
      fail(op, `bytes ${begin} to ${last} are outside "${name}" of ${size} bytes in ${this.path}.`);
    return this.#file.read(op, this.dataStart + tensor.begin + begin, this.dataStart + tensor.begin + last);
  }
}
