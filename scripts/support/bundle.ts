import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build, type Plugin } from 'esbuild';

/**
 * A program as one file of JavaScript in `folder`: for a process that is killed, has other rights,
 * or whose memory is measured (the loader of sources has a thread of its own). Every module keeps
 * its place (`import.meta.url`), from which native files are found.
 */
export async function bundle(program: URL, folder: string): Promise<string> {
  const outfile = join(folder, 'child.mjs');
  await build({
    entryPoints: [fileURLToPath(program)],
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
