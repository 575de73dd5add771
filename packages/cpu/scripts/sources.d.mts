/** Folder of the C++ attention kernels. */
export const attention: string | undefined;
/** Fingerprint of the C++ sources that a form of the kernels is compiled from, as they are now. */
export function fingerprint(form: 'native' | 'wasm', root?: string): string;
/** For esbuild and tsup: src/sources.ts becomes the fingerprints themselves, as they are when the package is built or bundled. */
export const fixedSources: import('esbuild').Plugin;
