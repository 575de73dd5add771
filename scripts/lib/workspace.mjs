// What the workspace holds, read from the disk: the one place that knows where packages and apps live.
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Repository root, without a trailing slash. */
export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/[\\/]$/, '');

/**
 * @typedef {object} Manifest  the fields of a package.json that these scripts read
 * @property {string} name
 * @property {string} version
 * @property {string} [license]
 * @property {boolean} [private]
 * @property {string} [packageManager]
 * @property {Record<string, string>} [scripts]
 * @property {Record<string, string>} [bin]
 * @property {Record<string, string>} [dependencies]
 * @property {Record<string, string>} [devDependencies]
 * @property {Record<string, string>} [peerDependencies]
 * @property {Record<string, string>} [optionalDependencies]
 */

/**
 * @typedef {object} Room  a package or an app of the workspace
 * @property {string} name       folder name: `tensor`
 * @property {string} path       folder relative to the root: `packages/tensor`
 * @property {string} folder     absolute folder
 * @property {'packages' | 'apps'} kind
 * @property {Manifest} manifest
 */

/** @param {string} folder @returns {Manifest} */
export function readManifest(folder) {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
}

/**
 * Every package and app of the workspace, sorted by path.
 * @param {string} [from]  repository root to look in
 * @returns {Room[]}
 */
export function rooms(from = root) {
  return /** @type {const} */ (['packages', 'apps']).flatMap((kind) => {
    if (!existsSync(join(from, kind))) return [];
    return readdirSync(join(from, kind))
      .sort()
      .filter((name) => existsSync(join(from, kind, name, 'package.json')))
      .map((name) => {
        const folder = join(from, kind, name);
        return { name, kind, path: `${kind}/${name}`, folder, manifest: readManifest(folder) };
      });
  });
}

const skipped = new Set(['node_modules', 'dist', 'build', 'coverage']);

/**
 * Files below a folder, depth first in name order; none when the folder does not exist.
 * Dependencies and build output are left out.
 * @param {string} folder
 * @param {{ into?: readonly string[] }} [options]  names of folders to look into although they are build output
 * @returns {Generator<string>}  absolute paths
 */
export function* filesBelow(folder, options = {}) {
  if (!existsSync(folder)) return;
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (!skipped.has(entry.name) || options.into?.includes(entry.name)) yield* filesBelow(path, options);
    } else if (entry.isFile()) yield path;
  }
}

/**
 * A line for each file, with what changes when the file is edited: enough to see that a build is stale.
 * @param {Iterable<string>} paths
 */
export function fingerprint(paths) {
  let text = '';
  for (const path of paths) {
    const { size, mtimeMs } = statSync(path);
    text += `${path.slice(root.length)} ${size} ${mtimeMs}\n`;
  }
  return text;
}
