import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build, type Plugin } from 'esbuild';

/**
 * A program of this folder as one file, so that it runs as from a published package: the loader of sources has a thread of its own, whose
 * memory is not the program's. Every module keeps its place (`import.meta.url`), from which native files are found.
 */
export async function bundle(program: string): Promise<string> {
  const outfile = join(tmpdir(), `cria-bench-${process.pid}.mjs`);
  await build({
    entryPoints: [fileURLToPath(new URL(program, import.meta.url))],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    conditions: ['@cria/source'],
    logLevel: 'error',
    plugins: [placesKept],
  });
  return outfile;
}

const placesKept: Plugin = {
  name: 'places kept',
  setup({ onLoad }) {
    onLoad({ filter: /\.m?[jt]s$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replaceAll(
        'import.meta.url',
        JSON.stringify(pathToFileURL(path).href),
      ),
      loader: 'ts',
    }));
  },
};
