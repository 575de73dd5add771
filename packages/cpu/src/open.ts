import { availableParallelism } from 'node:os';
import { checkOptions, type Device, fail, reference } from '@cria/tensor';
import { CpuDevice } from './device.ts';
import { loadNative, type LoadResult } from './native.ts';
import { peakOf } from './peak.ts';
import { loadWasm, type WasmLoadResult } from './wasm.ts';

export type IsaName = 'avx512bf16' | 'avx512vnni' | 'avx512' | 'avx2' | 'baseline';

export interface CpuOptions {
  /** Threads that compute, the caller's included; default `os.availableParallelism()`. */
  readonly threads?: number;
  /** Instruction set; default `auto`, the fastest this machine has. */
  readonly isa?: 'auto' | IsaName;
  /** Run flushes beside the event loop instead of in the caller; default false. */
  readonly background?: boolean;
}

export interface CpuAvailability {
  readonly available: boolean;
  /** The fastest instruction set of this machine. */
  readonly isa: IsaName | undefined;
  /** All that this machine and the native file have, fastest first. */
  readonly isas: readonly IsaName[];
  /** Threads used where nothing else is asked. */
  readonly threads: number;
  /** Where the native file came from, or why there is none. */
  readonly reason: string;
  readonly path: string | undefined;
}

export interface OpenedDevice {
  readonly device: Device;
  /** Why it is this one, for people. */
  readonly reason: string;
}

/** The native device. Throws where no native file can be loaded, and on options that this machine cannot meet. */
export function cpu(options: CpuOptions = {}): CpuDevice {
  const { threads, background } = checkCpuOptions(options);
  const result = loadNative();
  if (!result.native)
    fail('cpu', `${result.reason}.`, 'use openDevice(), which falls back to the reference device');
  return new CpuDevice({
    native: result.native,
    isa: isaIndex(result.native, options.isa ?? 'auto'),
    threads,
    background,
  });
}

/**
 * The native device; where no native file can be loaded the same kernels in wasm SIMD, and where those are not there either the
 * reference device. Never silently: `reason` says which and why. `isa` and `background` mean nothing in wasm.
 */
export function openDevice(options: CpuOptions = {}): OpenedDevice {
  return openFrom(loadNative(), options);
}

export function openFrom(
  result: LoadResult,
  options: CpuOptions,
  fallback: () => WasmLoadResult = loadWasm,
): OpenedDevice {
  const { threads, background } = checkCpuOptions(options);
  if (!result.native) {
    const { native, reason } = fallback();
    const why = `${result.reason}; ${reason}`;
    if (!native) return { device: reference(), reason: why };
    return { device: new CpuDevice({ native, isa: 0, threads, background: false }), reason: why };
  }
  const device = new CpuDevice({
    native: result.native,
    isa: isaIndex(result.native, options.isa ?? 'auto'),
    threads,
    background,
  });
  return { device, reason: result.reason };
}

/** What this machine offers, without opening a device. */
export function cpuAvailability(): CpuAvailability {
  const { native, path, reason } = loadNative();
  const isas = (native?.isas ?? []).filter((isa) => isa.available).map((isa) => isa.name as IsaName);
  return {
    available: native !== undefined,
    isa: isas[0],
    isas,
    threads: availableParallelism(),
    reason,
    path,
  };
}

/**
 * Multiply-adds at full rate on so many threads, in GFLOP/s, as products of `dtype` do them: the ceiling that GFLOP/s of kernels are
 * measured against, of the native form or, as `openDevice` chooses, of wasm. Takes some tens of milliseconds; the best of three passes.
 */
export function measurePeak(
  threads: number = availableParallelism(),
  isa: CpuOptions['isa'] = 'auto',
  dtype: 'f32' | 'bf16' = 'f32',
): number {
  checkCpuOptions({ threads, isa });
  const { native: own, reason } = loadNative();
  const native = own ?? loadWasm().native;
  if (!native) fail('measurePeak', `${reason}.`);
  return peakOf(native, threads, isaIndex(native, isa), dtype);
}

function checkCpuOptions(options: CpuOptions): { threads: number; background: boolean } {
  checkOptions('cpu', options, ['threads', 'isa', 'background']);
  const { threads = availableParallelism(), background = false } = options;
  if (!Number.isInteger(threads) || threads < 1 || threads > 256) {
    fail('cpu', `threads is ${threads}.`, 'a whole number from 1 to 256');
  }
  return { threads, background };
}

function isaIndex(native: NonNullable<LoadResult['native']>, wanted: string): number {
  const here = native.isas.filter((isa) => isa.available).map((isa) => isa.name);
  const name = wanted === 'auto' ? here[0]! : wanted;
  if (!here.includes(name))
    fail('cpu', `isa "${wanted}" is not available here.`, `this machine has ${here.join(', ')}`);
  return native.isas.findIndex((isa) => isa.name === name);
}
