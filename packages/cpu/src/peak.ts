import type { ComputeDType } from '@cria/tensor';
import { SingleCommand } from './command-list.ts';
import { dtypeCodes, multipliesHalves } from './encoder.ts';
import { measure } from './generated/commands.ts';
import type { Native, NativeIsa } from './native.ts';

/** A pass takes some 20 ms. */
const PIECES = 64;
const REPEAT = 60_000;
/** Vectors that the measure kernel multiplies and adds to side by side. */
const CHAINS = 12;

/**
 * GFLOP/s of multiply-adds at full rate, as products of `dtype` do them; the best of three passes.
 * `isa`: index in `native.isas`.
 */
export function peakOf(native: Native, threads: number, isa: number, dtype: ComputeDType = 'f32'): number {
  const work = PIECES * REPEAT * roundWork(native.isas[isa]!, dtype);
  const command = new SingleCommand();
  measure(command, { pieces: PIECES, repeat: REPEAT }, dtypeCodes[dtype]!);
  const list = command.numbers;
  let best = 0;
  for (let pass = 0; pass < 3; pass++) {
    const start = performance.now();
    native.run(list, list.length, threads, isa);
    const seconds = (performance.now() - start) / 1000;
    best = Math.max(best, work / seconds / 1e9);
  }
  return best;
}

/** Multiplications and additions in one round of the measure kernel. */
function roundWork({ name, panel }: NativeIsa, dtype: ComputeDType): number {
  // Four tiles of 16 by 16 sums over 32 of k (cpp/kernels/amx/gemm.h).
  if (name === 'amx' && dtype === 'bf16') return 2 * 4 * 16 * 16 * 32;
  const pairs = dtype === 'bf16' && multipliesHalves(name) ? 2 : 1;
  return 2 * pairs * CHAINS * (panel / 2); // a panel is two vectors wide
}
