import { availableParallelism } from 'node:os';
import { checkOptions, type Device, fail, reference } from '@cria/tensor';
import { CpuDevice } from './device.ts';
import { loadNative, type LoadResult, type Native } from './native.ts';
import { peakOf } from './peak.ts';
import { loadWasm, type WasmLoadResult } from './wasm.ts';

export type IsaName =
  'amx' | 'avx512bf16' | 'avx512vnni' | 'avx512' | 'avx2' | 'neondot' | 'neon' | 'baseline';

export interface CpuOptions {
  /** Threads that compute, the caller's included; default `os.availableParallelism()`. */
  readonly threads?: number;
  /** Instruction set; default `auto`, the fastest this machine has. */
  readonly isa?: 'auto' | IsaName;
  /** Run flushes beside the event loop instead of in the caller; default false. */
  readonly background?: boolean;
  /**
   * Multiply quantised weights with many rows (prompts) in bf16 by tiles instead of in whole
   * numbers; default false. Faster on processors with AMX, refused on others. Activations and
   * weights are rounded to bf16 there, so results depend on how many rows a call has: the device is
   * `repeatable` then, not `batchInvariant`, and its description says "fast prefill".
   */
  readonly fastPrefill?: boolean;
}

/** An instruction set of this kind of processor that cannot be used here. */
export interface MissingIsa {
  readonly name: IsaName;
  /** Processor, system or compiler. */
  readonly reason: string;
}

export interface CpuAvailability {
  readonly available: boolean;
  /** The fastest instruction set of this machine. */
  readonly isa: IsaName | undefined;
  /** All that this machine and the native file have, fastest first. */
  readonly isas: readonly IsaName[];
  /** The others of this kind of processor, and why each is missing. */
  readonly missing: readonly MissingIsa[];
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
  const checked = checkCpuOptions(options);
  const result = loadNative();
  if (!result.native)
    fail('cpu', `${result.reason}.`, 'use openDevice(), which falls back to the reference device');
  return nativeDevice(result.native, options, checked);
}

/**
 * The native device; where no native file can be loaded the same kernels in wasm SIMD, and where
 * those are not there either the reference device. Never silently: `reason` says which and why.
 * `isa` and `background` mean nothing in wasm, and `fastPrefill` is refused.
 */
export function openDevice(options: CpuOptions = {}): OpenedDevice {
  return openFrom(loadNative(), options);
}

export function openFrom(
  result: LoadResult,
  options: CpuOptions,
  fallback: () => WasmLoadResult = loadWasm,
): OpenedDevice {
  const checked = checkCpuOptions(options);
  if (!result.native) {
    if (checked.fastPrefill) fail('cpu', `fastPrefill needs AMX; ${result.reason}.`, 'leave it out');
    const { threads } = checked;
    const { native, reason } = fallback();
    const why = `${result.reason}; ${reason}`;
    if (!native) return { device: reference(), reason: why };
    return { device: new CpuDevice({ native, isa: 0, threads, background: false }), reason: why };
  }
  return { device: nativeDevice(result.native, options, checked), reason: result.reason };
}

function nativeDevice(native: Native, options: CpuOptions, checked: Checked): CpuDevice {
  const isa = isaIndex(native, options.isa ?? 'auto');
  const { name } = native.isas[isa]!;
  if (checked.fastPrefill && name !== 'amx')
    fail('cpu', `fastPrefill needs amx, the instruction set here is ${name}.`, 'leave it out');
  return new CpuDevice({ native, isa, ...checked });
}

/** What this machine offers, without opening a device. */
export function cpuAvailability(): CpuAvailability {
  const { native, path, reason } = loadNative();
  const known = native?.isas ?? [];
  const isas = known.filter((isa) => isa.available).map((isa) => isa.name as IsaName);
  const missing = known
    .filter((isa) => !isa.available)
    .map((isa) => ({ name: isa.name as IsaName, reason: isa.missing ?? 'the native file does not say why' }));
  return {
    available: native !== undefined,
    isa: isas[0],
    isas,
    missing,
    threads: availableParallelism(),
    reason,
    path,
  };
}

/**
 * Multiply-adds at full rate on so many threads, in GFLOP/s, as products of `dtype` do them: the
 * ceiling that GFLOP/s of kernels are measured against, of the native form or, as `openDevice`
 * chooses, of wasm. Takes some tens of milliseconds; the best of three passes.
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

interface Checked {
  readonly threads: number;
  readonly background: boolean;
  readonly fastPrefill: boolean;
}

function checkCpuOptions(options: CpuOptions): Checked {
  checkOptions('cpu', options, ['threads', 'isa', 'background', 'fastPrefill']);
  const { threads = availableParallelism(), background = false, fastPrefill = false } = options;
  if (!Number.isInteger(threads) || threads < 1 || threads > 256) {
    fail('cpu', `threads is ${threads}.`, 'a whole number from 1 to 256');
  }
  return { threads, background, fastPrefill };
}

function isaIndex(native: Native, wanted: string): number {
  const here = native.isas.filter((isa) => isa.available).map((isa) => isa.name);
  const name = wanted === 'auto' ? here[0]! : wanted;
  if (!here.includes(name)) {
    const missing = native.isas.find((isa) => isa.name === name)?.missing;
    const why = missing === undefined ? '' : `: ${missing}`;
    fail('cpu', `isa "${wanted}" is not available here${why}.`, `this machine has ${here.join(', ')}`);
  }
  return native.isas.findIndex((isa) => isa.name === name);
}
