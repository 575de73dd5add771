// Which C++ sources the kernels are compiled from, and their fingerprint. A compiled file carries the fingerprint of its sources, TypeScript
// knows the one of the sources beside it (src/sources.ts): a file of other sources, which may read commands in another way, is refused.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('..', import.meta.url));

/** The C++ attention kernels: in the workspace beside this package, in npm copied into it. */
const attentionOf = (/** @type {string} */ root) =>
  [join(root, '../attention/cpp'), join(root, 'cpp/attention')].find((folder) => existsSync(folder));

export const attention = attentionOf(here);

/** Folders that a form is compiled from, and what it leaves out of them. */
const forms = {
  native: { folders: ['cpp', 'cpp/kernels'], without: /^cpp\/driver/ },
  wasm: {
    folders: ['cpp', 'cpp/kernels', 'cpp/wasm'],
    without: /^cpp\/(vec-avx|vec-neon|isa|features|addon|driver|pool|park|storage\.cc|kernels\/amx)/,
  },
};

/**
 * Name → path of every header and source that a form of the kernels is compiled from.
 * @param {keyof typeof forms} form @param {string} [root] folder of this package
 * @returns {Record<string, string>}
 */
export function sources(form, root = here) {
  const { folders, without } = forms[form];
  const attention = attentionOf(root);
  /** @type {[string, string][]} */
  const places = folders.map((name) => [name, join(root, name)]);
  if (attention) places.push(['attention', attention]);
  return Object.fromEntries(
    places
      .flatMap(([name, folder]) => readdirSync(folder).map((file) => [`${name}/${file}`, join(folder, file)]))
      .filter(([name = '']) => /\.(cc|h)$/.test(name) && !without.test(name))
      .sort(),
  );
}

/** @param {keyof typeof forms} form @param {string} [root] folder of this package @returns {string} of the sources as they are now */
export function fingerprint(form, root = here) {
  const hash = createHash('sha256');
  for (const [name, path] of Object.entries(sources(form, root)))
    hash.update(`${name}\0`).update(readFileSync(path));
  return hash.digest('hex').slice(0, 32);
}

/** For esbuild and tsup: src/sources.ts becomes the fingerprints themselves, as they are when the package is built or bundled. */
export const fixedSources = {
  name: 'fixed sources',
  setup(/** @type {any} */ { onLoad }) {
    onLoad({ filter: /cpu[\\/]src[\\/]sources\.ts$/ }, () => ({
      contents: `export const fingerprintOf = (form) => (${JSON.stringify({
        native: fingerprint('native'),
        wasm: fingerprint('wasm'),
      })})[form];`,
    }));
  },
};
