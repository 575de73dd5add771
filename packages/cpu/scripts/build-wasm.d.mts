/** Whether the wasm file was built from the sources that lie here, for tests. */
export function wasmIsCurrent(): boolean;
/** Builds the file where it is absent or stale; gives why there is none, or ''. */
export function buildWasm(): Promise<string>;
