import { fail } from '@cria/tensor';
import { type GgufHeader, type GgufMetadata, readGgufFront, TokenizerError } from '@cria/tokenizer';
import { openModelFile } from '../model-file.ts';
import type { RangeFile } from '../range-file.ts';
import { type GgufTensor, placeTensors } from './tensors.ts';

/**
 * A GGUF file. Opening reads and checks the header only; tensors are read in ranges when asked for.
 */
export class GgufFile {
  readonly header: GgufHeader;
  /** By name, in the order of the file. */
  readonly tensors: ReadonlyMap<string, GgufTensor>;
  readonly #file: RangeFile;

  private constructor(file: RangeFile, header: GgufHeader, tensors: readonly GgufTensor[]) {
    this.#file = file;
    this.header = header;
    this.tensors = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  }

  /** Throws, naming file, field and value, on anything the format forbids. */
  static async open(path: string): Promise<GgufFile> {
    const op = 'gguf.open';
    const file = await openModelFile(op, path);
    try {
      const header = await readGgufFront(file.size, (begin, end) => file.read(op, begin, end));
      return new GgufFile(file, header, placeTensors(op, path, header, file.size));
    } catch (error) {
      if (!(error instanceof TokenizerError)) throw error;
      return fail(op, `${path}: ${error.what}.`, error.hint, error);
    }
  }

  get path(): string {
    return this.#file.path;
  }

  get bytes(): number {
    return this.#file.size;
  }

  get metadata(): GgufMetadata {
    return this.header.metadata;
  }

  /** First byte of a tensor in the file. */
  place(tensor: GgufTensor): number {
    return this.header.dataStart + tensor.offset;
  }

  /** Stored bytes `begin` to `end` of a tensor (all of it by default). */
  async read(name: string, begin = 0, end?: number): Promise<Uint8Array> {
    const op = 'gguf.read';
    const tensor = this.tensors.get(name) ?? fail(op, `${this.path} has no tensor "${name}".`);
    const last = end ?? tensor.bytes;
    if (!(0 <= begin && begin <= last && last <= tensor.bytes))
      fail(op, `bytes ${begin} to ${last} are outside "${name}" of ${tensor.bytes} bytes in ${this.path}.`);
    return this.#file.read(op, this.place(tensor) + begin, this.place(tensor) + last);
  }
}
