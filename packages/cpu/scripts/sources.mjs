// Which C++ sources the kernels are compiled from, and their fingerprint. A compiled file carries
// the fingerprint of its sources, TypeScript knows the one of the sources beside it
// (src/sources.ts): a file of other sources, which may read commands in another way, is refused.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('..', import.meta.url));

/** Rooms whose headers these kernels include: the vectors, and attention over them. */
export const neighbours = ['attention', 'simd'];

/**
 * Where a neighbour's headers lie: in the workspace beside this package, in the published one
 * below it, where neighbours.mjs puts them.
 * @param {string} name @param {string} root
 */
function neighbourFolder(name, root) {
  const packed = join(root, 'neighbours', name);
  return existsSync(packed) ? packed : join(root, '..', name, 'cpp');
}

/** Folders below cpp, as includes name them: a new room of kernels is one by being there. @param {string} root */
function ownFolders(root) {
  const kernels = join(root, 'cpp', 'kernels');
  const found = existsSync(kernels) ? readdirSync(kernels, { withFileTypes: true }) : [];
  const rooms = found.filter((each) => each.isDirectory()).map(({ name }) => `kernels/${name}`);
  return ['', 'generated', 'kernels', ...rooms.sort()];
}

/** What a form leaves out, and the folder that only it has. */
const forms = {
  native: { folders: [], without: /^cpp\/generated\/fuzz/ },
  wasm: {
    folders: ['wasm'],
    without: new RegExp(
      '^(cpp/(isa|features|addon|generated/fuzz|pool|park|storage\\.cc|kernels/amx)' +
        '|(simd|attention)/(vec-avx|vec-neon|vec-x86|tiles|amx))',
    ),
  },
};

/** Name → folder of all that a form's files lie in. @param {keyof typeof forms} form @param {string} root */
function foldersOf(form, root) {
  const inside = [...ownFolders(root), ...forms[form].folders].map((name) => [
    join('cpp', name),
    join(root, 'cpp', name),
  ]);
  const beside = neighbours.map((name) => [name, neighbourFolder(name, root)]);
  return [...inside, ...beside].filter(([, folder = '']) => existsSync(folder));
}

/** Folders that includes are looked up in, from this package's sources on. */
export const includeFolders = [join(here, 'cpp'), ...neighbours.map((name) => neighbourFolder(name, here))];

/**
 * Name → path of every header and source that a form of the kernels is compiled from.
 * @param {keyof typeof forms} form @param {string} [root] folder of this package
 * @returns {Record<string, string>}
 */
export function sources(form, root = here) {
  const { without } = forms[form];
  return Object.fromEntries(
    foldersOf(form, root)
      .flatMap(([name = '', folder = '']) =>
        readdirSync(folder).map((file) => [`${name}/${file}`, join(folder, file)]),
      )
      .filter(([name = '']) => /\.(cc|h)$/.test(name) && !without.test(name))
      .sort(),
  );
}

/**
 * @param {keyof typeof forms} form @param {string} [root] folder of this package @returns {string}
 * of the sources as they are now
 */
export function fingerprint(form, root = here) {
  const hash = createHash('sha256');
  for (const [name, path] of Object.entries(sources(form, root)))
    hash.update(`${name}\0`).update(readFileSync(path));
  return hash.digest('hex').slice(0, 32);
}

/**
 * For esbuild and tsup: src/sources.ts becomes the fingerprints themselves, as they are when the
 * package is built or bundled.
 */
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
