export { CpuDevice } from './device.ts';
export { type OpenedWasm, openWasm, type OpenWasmOptions } from './wasm/browser.ts';

/** Where the wasm file lies, from this file's own address, in a form that bundlers see. */
export const wasmFile = new URL('../build/cria-cpu.wasm', import.meta.url);
