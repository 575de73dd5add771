import { fingerprint } from '../scripts/sources.mjs';

/**
 * Fingerprint of the C++ sources that this TypeScript goes with: of those beside it where it runs
 * from source. In `dist` and in bundles for browsers this module is replaced by the fingerprints of
 * the moment they were made (`fixedSources` in scripts/sources.mjs).
 */
export const fingerprintOf = (form: 'native' | 'wasm'): string => fingerprint(form);
