import { fail } from '@cria/tensor';
import { LAYOUT } from './generated/commands.ts';
import type { Native } from './native.ts';
import { fingerprintOf } from './sources.ts';

/**
 * Throws where kernels were not compiled from the C++ sources that this TypeScript goes with (how
 * weights are packed is agreed between the two, and nothing else checks it), or read commands in
 * another layout than this TypeScript writes.
 */
export function checkSources(form: 'native' | 'wasm', native: Native, file: string, hint: string): void {
  const [found, wanted] = [native.sources ?? 'unknown', fingerprintOf(form)];
  if (found !== wanted)
    fail(
      'cpu',
      `${file} was built from other C++ sources (${found}) than this TypeScript goes with (${wanted}).`,
      hint,
    );
  if (native.layout !== LAYOUT)
    fail(
      'cpu',
      `${file} reads commands in another layout (${native.layout ?? 'unknown'}) than this TypeScript ` +
        `writes (${LAYOUT}).`,
      'node packages/cpu/scripts/generate-commands.mjs, then rebuild',
    );
}
