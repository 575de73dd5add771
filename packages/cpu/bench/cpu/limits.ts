import { cpu, type CpuDevice, type CpuOptions, measurePeak } from '@cria/cpu';
import type { Arithmetic, Work } from './work.ts';

export interface Limit {
  readonly name: string;
  /** One short pass, in the unit of the work. */
  readonly pass: () => number;
}

/** Floats of a tensor larger than any cache. */
const SIZE = 1 << 25;

/** What this machine can do at most, on so many threads of one instruction set. */
export class Limits implements Disposable {
  readonly #device: CpuDevice;
  readonly #peak: (dtype: 'f32' | 'bf16') => number;
  readonly #from;
  readonly #to;
  readonly #sum;

  constructor({ threads, isa }: Required<Pick<CpuOptions, 'threads' | 'isa'>>) {
    this.#device = cpu({ threads, isa });
    this.#peak = (dtype) => measurePeak(threads, isa, dtype);
    this.#from = this.#device.empty([SIZE], 'f32');
    this.#to = this.#device.empty([SIZE], 'f32');
    this.#sum = this.#device.empty([1], 'f32');
    this.#device.kernels.fill(this.#from, 1);
    this.#device.kernels.fill(this.#to, 1);
    void this.#device.flush();
  }

  of({ unit, limit = unit === 'GB/s' ? 'copy' : 'f32', work, needs }: Work): Limit {
    const { kernels } = this.#device;
    if (limit === 'copy')
      return { name: 'memory copy', pass: () => this.#rate(8, () => kernels.cast(this.#to, this.#from)) };
    if (limit !== 'read') return this.#arithmetic(limit);
    const read = () => this.#rate(4, () => kernels.sumSquares(this.#sum, this.#from));
    if (!needs) return { name: 'memory read', pass: read };
    const { name, pass } = this.#arithmetic(needs.unit);
    // Which of the two it is does not change from pass to pass: it is decided here.
    const computing = () => (pass() * work) / needs.flops;
    return computing() < read() ? { name, pass: computing } : { name: 'memory read', pass: read };
  }

  #arithmetic(unit: Arithmetic): Limit {
    const f32 = () => this.#peak('f32');
    switch (unit) {
      case 'f32':
        return { name: 'f32 register peak', pass: f32 };
      case 'bf16':
        return { name: 'register peak of the best unit', pass: () => Math.max(f32(), this.#peak('bf16')) };
      case 'int8':
        return { name: 'register peak of bytes', pass: () => f32() * bytesBesideFloats(this.#device.isa) };
    }
  }

  /** GB/s, of so many bytes a float. */
  #rate(bytes: number, encode: () => void): number {
    return (bytes * SIZE) / secondsOf(this.#device, encode) / 1e9;
  }

  [Symbol.dispose](): void {
    this.#device[Symbol.dispose]();
  }
}

/**
 * How many times as many products of bytes as of floats an instruction set makes in one time: AVX2
 * takes three instructions for them.
 */
function bytesBesideFloats(isa: string): number {
  if (/vnni|bf16|amx/.test(isa)) return 4;
  return isa === 'avx2' ? 2 : 1;
}

/** Of one call, run in the caller. */
export function secondsOf(device: CpuDevice, encode: () => void): number {
  const start = performance.now();
  encode();
  void device.flush();
  return (performance.now() - start) / 1000;
}
