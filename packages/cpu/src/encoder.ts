import { describe, type DType, fail, type Tensor } from '@cria/tensor';
import { allocate, type CommandList, type Place } from './command-list.ts';
import type { Native } from './native.ts';

/** What kernels encode into: the device's current list, and memory between the commands of one kernel. */
export interface Encoder {
  /** The list that takes commands now. */
  readonly list: CommandList;
  readonly scratch: Scratch;
  /** Instruction set in use. */
  readonly isa: string;
  /** Columns of a packed panel, of the instruction set in use. */
  readonly panel: number;
  readonly rowChunk: number;
  /** Quantised weights are multiplied with many rows in bf16. */
  readonly fastPrefill: boolean;
}

/**
 * Memory that the commands of one kernel hand to each other, used again by the next kernel:
 * commands run in order. Not part of `device.memory`, which counts what callers asked for.
 */
export class Scratch {
  readonly #native: Native;
  #storage = 0;
  #size = 0;
  #used = 0;
  #moves = 0;

  constructor(native: Native) {
    this.#native = native;
  }

  /** How often its memory was exchanged for more. */
  get moves(): number {
    return this.#moves;
  }

  /** Begins anew, with room for all that one kernel takes. */
  begin(list: CommandList, ...pieces: number[]): Place[] {
    const bytes = pieces.reduce((sum, piece) => sum + aligned(piece), 0);
    if (bytes > this.#size) {
      if (this.#storage > 0) list.free(this.#storage);
      this.#storage = 0;
      this.#storage = allocate(this.#native, bytes);
      this.#size = bytes;
      this.#moves++;
    }
    this.#used = 0;
    return pieces.map((piece) => {
      const place = { storage: this.#storage, offset: this.#used };
      this.#used += aligned(piece);
      return place;
    });
  }

  dispose(): void {
    if (this.#storage > 0) this.#native.free(this.#storage);
    this.#storage = this.#size = 0;
  }
}

const aligned = (bytes: number) => Math.ceil(bytes / 256) * 256;

/** Whether an instruction set multiplies bf16 faster than f32. */
export function multipliesHalves(isa: string): boolean {
  return isa.includes('bf16') || isa.includes('amx');
}

/** A plain f32 tensor. */
export function f32(tensor: Tensor): Place {
  if (tensor.dtype !== 'f32')
    fail('cpu', `expected f32, not ${describe(tensor)}.`, 'cast it first, or use the reference device');
  return tensor;
}

/** i32 tensors are addressed like all others. */
export function integers(tensor: Tensor): Place {
  if (tensor.dtype !== 'i32') fail('cpu', `expected i32, not ${tensor.dtype}.`);
  return tensor;
}

/** Codes of `Dtype` in cpp/command.h. */
export const dtypeCodes: Partial<Record<DType, number>> = { f32: 0, bf16: 1, f16: 2 };

/** Code of a dtype that this device computes in; throws on others. */
export function computeCode(tensor: Tensor): number {
  if (tensor.dtype === 'f32') return 0;
  if (tensor.dtype === 'bf16') return 1;
  return fail(
    'cpu',
    `this device computes in f32 and bf16, not with ${describe(tensor)}.`,
    'cast it first, or use the reference device',
  );
}
