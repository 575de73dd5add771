import { wasmIsCurrent } from '../../scripts/build-wasm.mjs';
import { loadWasm } from '../../src/wasm.ts';

const { native, path } = wasmIsCurrent() ? loadWasm() : { path: '' };
if (!native)
  console.log(
    'cpu: wasm skipped: no wasm file of these sources; node packages/cpu/scripts/build-wasm.mjs builds it',
  );

/** The wasm file of these sources; undefined, with a printed reason, where it was not built. */
export const built = native && { native, path };
