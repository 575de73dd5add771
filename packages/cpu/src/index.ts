export { CpuDevice } from './device.ts';
export {
  cpu,
  type CpuAvailability,
  cpuAvailability,
  type CpuOptions,
  type IsaName,
  measurePeak,
  type MissingIsa,
  type OpenedDevice,
  openDevice,
} from './open.ts';
export {
  type NativeQuantizer,
  nativeQuantizer,
  type NumbersInFile,
  type QuantizedRows,
  type QuantizerOptions,
} from './quantize.ts';
export { providers } from './providers.ts';
export type { OperationTime } from './profile.ts';
export { loadWasm, wasm, type WasmLoadResult, type WasmOptions } from './wasm.ts';
