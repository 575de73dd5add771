import { fail } from '@cria/tensor';
import { RangeFile } from '../range-file.ts';
import { GgufCutError } from './cursor.ts';
import { type GgufHeader, type GgufTensor, parseGgufHeader } from './header.ts';
import type { GgufMetadata } from './types.ts';

/** Headers are mostly the vocabulary: 7 MB for Llama 3. A longer one is refused before it is read. */
const MOST_HEADER_BYTES = 32 << 20;
/** Bytes of the front that are tried one after the other: enough without a vocabulary, with one of 32,000 pieces, and with any. */
const FRONTS = [1 << 16, 1 << 21, MOST_HEADER_BYTES];

/** A GGUF file. Opening reads and checks the header only; tensors are read in ranges when asked for. */
export class GgufFile {
  readonly header: GgufHeader;
  /** By name, in the order of the file. */
  readonly tensors: ReadonlyMap<string, GgufTensor>;
  readonly #file: RangeFile;

  private constructor(file: RangeFile, header: GgufHeader) {
    this.#file = file;
    this.header = header;
    this.tensors = new Map(header.tensors.map((tensor) => [tensor.name, tensor]));
  }

  /** Throws, naming file, field and value, on anything the format forbids. */
  static async open(path: string): Promise<GgufFile> {
    const op = 'gguf.open';
    const file = await RangeFile.open(op, path);
    for (const bytes of FRONTS) {
      const front = await file.read(op, 0, Math.min(bytes, file.size));
      try {
        return new GgufFile(file, parseGgufHeader(op, path, front, file.size));
      } catch (error) {
        if (!(error instanceof GgufCutError)) throw error;
      }
    }
    return fail(op, `${path}: the header has more than ${MOST_HEADER_BYTES} bytes.`, 'is the file damaged?');
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
