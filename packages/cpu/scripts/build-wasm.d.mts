/** Whether the wasm file was built from the sources that lie here, for tests. */
export function wasmIsCurrent(): boolean;
/** Exit status where the compiler could not be installed. */
export const NO_COMPILER: number;
/** Builds the file where it is absent or stale. `problem` says why there is none, or is empty. */
export function buildWasm(): Promise<{ problem: string; noCompiler: boolean }>;
