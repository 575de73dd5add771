// A program of this workspace as one module of JavaScript, kept in the user's cache folder: file by
// file, Node's loader takes 5 ms for each of some four hundred modules, again in every process and
// thread.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire, isBuiltin } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { cacheFolder, keep, kept } from '../../packages/cpu/scripts/kept.mjs';
import { readmeExample } from './readme-example.mjs';
import { root, rooms } from './workspace.mjs';

/** Bundles together, in bytes: a hundred programs or so. */
const LIMIT = 128 * 2 ** 20;
/**
 * How a bundle names a package of node_modules, so that it is looked for from the file that imports
 * it: this and `specifier from URL`.
 */
export const PACKAGE = 'cria-package:';

const require = createRequire(import.meta.url);

/** @param {string | Uint8Array} data */
const hashOf = (data) => createHash('sha256').update(data).digest('hex');

/** Which file of a package a name means depends on its manifest. */
const manifests = () => rooms().map(({ folder }) => join(folder, 'package.json'));

/**
 * The program as one module. Every part keeps its place (`import.meta.url`); packages of
 * node_modules that are no modules stay imports.
 * @param {string} entry  path of a TypeScript file, or of a README with an example
 * @param {string | undefined} [folder]  where bundles are kept; undefined keeps none
 * @returns {Promise<string | Uint8Array>}
 * @throws what esbuild says of the syntax; when a README has no example
 */
export async function sourceBundle(entry, folder = cacheFolder()) {
  const own = folder === undefined ? undefined : join(folder, 'programs');
  const { version } = JSON.parse(readFileSync(require.resolve('esbuild/package.json'), 'utf8'));
  const self = readFileSync(new URL(import.meta.url));
  const key = hashOf(JSON.stringify([entry, version, hashOf(self)]));
  const known = own === undefined ? undefined : unchanged(kept(key, own));
  if (known !== undefined) return known;
  const { inputs, code } = await bundled(entry);
  if (own !== undefined) {
    const made = JSON.stringify(inputs.map((path) => [path, hashOf(readFileSync(path))]));
    keep(key, Buffer.concat([Buffer.from(`${made}\n`), code]), { folder: own, limit: LIMIT });
  }
  return code;
}

/**
 * The code of an entry whose files are what they were: a line of their paths and hashes stands before it.
 * @param {Uint8Array | undefined} bytes
 */
function unchanged(bytes) {
  if (bytes === undefined) return undefined;
  const end = bytes.indexOf(10);
  const inputs = JSON.parse(Buffer.from(bytes.subarray(0, end)).toString('utf8'));
  try {
    for (const [path, hash] of inputs) if (hashOf(readFileSync(path)) !== hash) return undefined;
  } catch {
    return undefined; // a file is gone
  }
  return bytes.subarray(end + 1);
}

/** @param {string} entry @returns {Promise<{ inputs: string[], code: Uint8Array }>} */
async function bundled(entry) {
  const { build } = await import('esbuild');
  const { outputFiles, metafile } = await build({
    entryPoints: [entry],
    outfile: join(dirname(entry), 'bundle.mjs'), // not written: what the paths of the source map start from
    absWorkingDir: root,
    write: false,
    metafile: true,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    conditions: ['@cria/source'],
    tsconfigRaw: {},
    sourcemap: 'inline',
    sourcesContent: false,
    logLevel: 'silent',
    plugins: [places],
  });
  const inputs = [...Object.keys(metafile.inputs).map((path) => join(root, path)), ...manifests()];
  return { inputs, code: /** @type {Uint8Array} */ (outputFiles[0]?.contents) };
}

/** @type {import('esbuild').Plugin} */
const places = {
  name: 'places',
  setup({ onLoad, onResolve, resolve }) {
    onResolve({ filter: /^[^./]/ }, async ({ path, importer, kind, resolveDir, pluginData }) => {
      if (kind === 'entry-point' || path.startsWith('@cria/') || isBuiltin(path) || pluginData === places)
        return undefined;
      // A package in modules, of which there may be hundreds, becomes part of the bundle; one for
      // `require` stays apart.
      const found = await resolve(path, { importer, kind, resolveDir, pluginData: places });
      if (found.path.endsWith('.mjs') && kind === 'import-statement') return found;
      return { path: `${PACKAGE}${path} from ${pathToFileURL(importer).href}`, external: true };
    });
    onLoad({ filter: /(\.m?[jt]s|[\\/]README\.md)$/ }, ({ path }) => ({
      contents: textOf(path),
      loader: 'ts',
    }));
  },
};

/** The text of a module with its place written out; of a README, its example. @param {string} path */
function textOf(path) {
  const text = readFileSync(path, 'utf8');
  const code = path.endsWith('.md') ? readmeExample(text) : text;
  if (code === undefined) {
    throw new Error(
      `[run-source] ${path} has no example. hint: put <!-- example --> on the line above a \`\`\`ts block`,
    );
  }
  return code
    .replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href))
    .replaceAll('import.meta.dirname', JSON.stringify(dirname(path)));
}
