import { fail } from '@cria/tensor';
import type { Native } from './native.ts';
import { fingerprintOf } from './sources.ts';

/**
 * Throws where kernels were not compiled from the C++ sources that this TypeScript goes with: how commands lie in the list, how weights are
 * packed and which codes mean what is agreed between the two, and nothing else checks it.
 */
export function checkSources(form: 'native' | 'wasm', native: Native, file: string, hint: string): void {
  const [found, wanted] = [native.sources ?? 'unknown', fingerprintOf(form)];
  if (found !== wanted)
    fail(
      'cpu',
      `${file} was built from other C++ sources (${found}) than this TypeScript goes with (${wanted}).`,
      hint,
    );
}
