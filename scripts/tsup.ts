import type { Options } from 'tsup';

/**
 * The one way packages of this workspace are built: ESM with types for Node 20, one entry a subpath.
 *
 * Types of sibling packages are read from their sources (the `@cria/source` condition), so no package has to wait
 * for another one's build, and all of them can be built at once.
 *
 * @throws nothing; `noUncheckedIndexedAccess` is off here because `scripts/typecheck.mjs` is the
 *   check, this only emits.
 */
export function library(options: { entry: string[] } & Options): Options {
  const types = {
    noUncheckedIndexedAccess: false,
    noUnusedLocals: false,
    noUnusedParameters: false,
    composite: false,
    customConditions: ['@cria/source'],
  };
  return {
    format: 'esm',
    target: 'node20',
    platform: 'node',
    // Not tsconfig.base.json: it names no files, so the declaration build would take in every .d.ts of the repository.
    tsconfig: '../../tsconfig.json',
    dts: process.env['CRIA_BUILD_TYPES'] === 'no' ? false : { compilerOptions: types },
    sourcemap: true,
    clean: true,
    splitting: true,
    treeshake: true,
    ...options,
  };
}
