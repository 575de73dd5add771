/** Fingerprint of the C++ sources that a form of the kernels is compiled from, as they are now. */
export function fingerprint(form: 'native' | 'wasm', root?: string): string;
/** For esbuild and tsup: src/sources.ts becomes the fingerprints themselves, as they are when the package is built or bundled. */
export const fixedSources: import('esbuild').Plugin;
/** Name → path of every header and source that a form of the kernels is compiled from. */
export function sources(form: 'native' | 'wasm', root?: string): Record<string, string>;
/** Folders that includes are looked up in. */
export const includeFolders: readonly string[];
/** Rooms whose headers the kernels include. */
export const neighbours: readonly string[];
