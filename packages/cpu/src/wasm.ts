import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { checkOptions, fail } from '@cria/tensor';
import { checkSources } from './check-sources.ts';
import { CpuDevice } from './device.ts';
import type { Native } from './native.ts';
import { instantiate } from './wasm/node.ts';

export interface WasmOptions {
  /** Threads that compute, the caller's included, up to 64; default `os.availableParallelism()`. */
  readonly threads?: number;
}

export interface WasmLoadResult {
  readonly native: Native | undefined;
  readonly path: string;
  /** Where the file came from, or why there is none. */
  readonly reason: string;
}

const REBUILD =
  'rebuild: node packages/cpu/scripts/build-wasm.mjs (and npm run build, where dist/ is in use)';
let loaded: WasmLoadResult | undefined;

/**
 * Instantiates the wasm kernels once a thread of JavaScript. Throws where the file goes with other
 * TypeScript than this; where there is none, or none that loads, the reason says so.
 */
export function loadWasm(): WasmLoadResult {
  return (loaded ??= loadWasmFrom(fileURLToPath(new URL('../build/cria-cpu.wasm', import.meta.url))));
}

export function loadWasmFrom(path: string): WasmLoadResult {
  if (!existsSync(path))
    return {
      native: undefined,
      path,
      reason: 'no wasm file: it was not built here (packages/cpu/scripts/build-wasm.mjs does that)',
    };
  let native: Native;
  try {
    native = instantiate(path);
  } catch (error) {
    return {
      native: undefined,
      path,
      reason: `the wasm file ${path} does not load: ${(error as Error).message}`,
    };
  }
  checkSources('wasm', native, `the wasm file ${path}`, REBUILD);
  return { native, path, reason: 'kernels in wasm SIMD' };
}

/**
 * The CPU device on the kernels compiled to wasm SIMD, for machines without a native file. All its
 * tensors together have the 4 GiB that wasm can address; files are read, not mapped. Throws where
 * the wasm file is not there.
 */
export function wasm(options: WasmOptions = {}): CpuDevice {
  checkOptions('wasm', options, ['threads']);
  const { threads = availableParallelism() } = options;
  if (!Number.isInteger(threads) || threads < 1 || threads > 256)
    fail('wasm', `threads is ${threads}.`, 'a whole number from 1 to 256');
  const { native, reason } = loadWasm();
  if (!native) fail('wasm', `${reason}.`, 'use openDevice(), which falls back to the reference device');
  return new CpuDevice({ native, isa: 0, threads, background: false });
}
