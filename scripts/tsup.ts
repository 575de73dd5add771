import type { Options } from 'tsup';

/** The one way packages of this workspace are built: ESM with types for Node 20, one entry a subpath. */
export function library(options: { entry: string[] } & Options): Options {
  return {
    format: 'esm',
    target: 'node20',
    platform: 'node',
    dts: { compilerOptions: { noUncheckedIndexedAccess: false, composite: false } },
    sourcemap: true,
    clean: true,
    splitting: true,
    treeshake: true,
    ...options,
  };
}
