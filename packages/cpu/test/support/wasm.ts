import { wasmIsCurrent } from '../../scripts/build-wasm.mjs';
import { loadWasm } from '../../src/wasm.ts';

const { native, path, reason } = loadWasm();
const current = wasmIsCurrent();
const missing = native && !current ? 'the wasm file is older than its sources' : reason;
if (!native || !current)
  console.log(`cpu: wasm skipped: ${missing}; node packages/cpu/scripts/build-wasm.mjs builds it`);

/** The wasm file of these sources; undefined, with a printed reason, where it was not built. */
export const built = native && current ? { native, path } : undefined;
