// What a room's files import, and whether the floor plan and its manifest allow it.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative, resolve, sep } from 'node:path';
import ts from 'typescript';
import { floorOf } from './floors.mjs';
import { filesBelow } from './workspace.mjs';

/** @typedef {import('./workspace.mjs').Room} Room */

/**
 * @typedef {object} Import
 * @property {string} file       absolute path of the importing file
 * @property {number} line       1-based
 * @property {string} specifier  as written
 */

const sourceFile = /\.(ts|tsx|mts|js|mjs)$/;
const builtins = new Set(builtinModules);

/** Every import, export-from, dynamic import and type import of a file. @param {string} file @returns {Import[]} */
export function importsOf(file) {
  const text = readFileSync(file, 'utf8');
  const { importedFiles } = ts.preProcessFile(text, true, true);
  return importedFiles.map(({ fileName, pos }) => ({
    file,
    line: text.slice(0, pos).split('\n').length,
    specifier: fileName,
  }));
}

/** `@scope/name/sub` → `@scope/name`; undefined for relative paths and Node's own modules. @param {string} specifier */
export function packageName(specifier) {
  if (specifier.startsWith('.') || specifier.startsWith('/') || specifier.startsWith('node:'))
    return undefined;
  const parts = specifier.split('/');
  const name = specifier.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0];
  return name === undefined || builtins.has(name) ? undefined : name;
}

/** Source files of one folder of a room. @param {Room} room @param {string} folder */
const filesOf = (room, folder) =>
  [...filesBelow(join(room.folder, folder))].filter((file) => sourceFile.test(file));

/**
 * Problems of one import, as text without its place.
 * @param {Room} room
 * @param {Import} imported
 * @param {{ published: boolean, rooms: readonly Room[], rootDevDependencies: ReadonlySet<string> }} context
 *   published: the file reaches users (src), so its imports are dependencies, and only lower floors are allowed;
 *   elsewhere (tests, benches) devDependencies, packages of the same floor and scripts/support are fine too
 * @returns {string | undefined}
 */
function problemOf(room, imported, { published, rooms, rootDevDependencies }) {
  const { specifier, file } = imported;
  if (specifier.startsWith('.')) {
    const target = relative(room.folder, resolve(dirname(file), specifier));
    const shared = !published && /^\.\.[\\/]\.\.[\\/]scripts[\\/]support[\\/]/.test(target);
    if (shared || !target.startsWith('..')) return undefined;
    return `"${specifier}" leaves the package. hint: import the other package by its name`;
  }
  const name = packageName(specifier);
  if (name === undefined || name === room.manifest.name) return undefined;
  const target = rooms.find((other) => other.manifest.name === name);
  if (target !== undefined) {
    const own = floorOf(room) ?? -1;
    const floor = floorOf(target) ?? Infinity;
    if (floor > own) return `${name} is on floor ${floor}, above ${room.name} on floor ${own}`;
    if (floor === own && published) return `${name} stands beside ${room.name} on floor ${own}`;
  }
  const {
    dependencies = {},
    peerDependencies = {},
    optionalDependencies = {},
    devDependencies = {},
  } = room.manifest;
  if (name in dependencies || name in peerDependencies || name in optionalDependencies) return undefined;
  if (!published && (name in devDependencies || rootDevDependencies.has(name))) return undefined;
  const where = published ? 'dependencies' : 'devDependencies';
  return `${name} is not declared. hint: add it to "${where}" of ${room.path}/package.json`;
}

/**
 * Declared dependencies that nothing in the room mentions. @param {Room} room @param {readonly
 * Import[]} published @param {readonly Room[]} rooms
 */
function unusedDependencies(room, published, rooms) {
  const imported = new Set(published.map(({ specifier }) => packageName(specifier)));
  // What another dependency takes from whoever installs it is used by that one.
  for (const other of rooms)
    if (imported.has(other.manifest.name))
      for (const peer of Object.keys(other.manifest.peerDependencies ?? {})) imported.add(peer);
  const { dependencies = {}, devDependencies = {} } = room.manifest;
  const unused = Object.keys(dependencies).filter((name) => !imported.has(name));
  /** @param {string} name  as it may be written: by name, or (headers of a workspace package) by folder */
  const mentions = (name) => [name, name.replace('@cria/', '../') + '/'];
  const dev = Object.keys(devDependencies);
  if (dev.length > 0) {
    // A tool is often named in a path or a configuration rather than imported, so any mention counts as a use.
    const roots = readdirSync(room.folder)
      .filter((name) => sourceFile.test(name))
      .map((name) => join(room.folder, name));
    const files = ['src', 'test', 'bench', 'scripts'].flatMap((folder) => filesOf(room, folder));
    const readme = join(room.folder, 'README.md');
    const texts = [...roots, ...files, ...(existsSync(readme) ? [readme] : [])].map((file) =>
      readFileSync(file, 'utf8'),
    );
    unused.push(
      ...dev.filter((name) => !texts.some((text) => mentions(name).some((word) => text.includes(word)))),
    );
  }
  return unused.map((name) => `${room.path}/package.json: ${name} is declared and never used`);
}

/** Workspace packages must be taken from the workspace. @param {Room} room @param {readonly Room[]} rooms */
function foreignVersions(room, rooms) {
  const names = new Set(rooms.map((other) => other.manifest.name));
  const declared = Object.entries({ ...room.manifest.dependencies, ...room.manifest.devDependencies });
  return declared
    .filter(([name, range]) => names.has(name) && !range.startsWith('workspace:'))
    .map(([name, range]) => `${room.path}/package.json: ${name} is "${range}". hint: use "workspace:^"`);
}

/**
 * Everything wrong with the imports of a workspace, a line each; empty when it follows the floor plan.
 * @param {readonly Room[]} rooms
 * @param {{ root: string, rootDevDependencies: Iterable<string> }} options
 */
export function importProblems(rooms, { root, rootDevDependencies }) {
  const shared = new Set(rootDevDependencies);
  /** @type {string[]} */
  const problems = [];
  for (const room of rooms) {
    if (floorOf(room) === undefined) {
      problems.push(`${room.path}: not in the floor plan. hint: give it a floor in scripts/lib/floors.mjs`);
      continue;
    }
    /** @type {Import[]} */
    const published = [];
    for (const folder of ['src', 'test', 'bench']) {
      for (const imported of filesOf(room, folder).flatMap(importsOf)) {
        if (folder === 'src') published.push(imported);
        const context = { published: folder === 'src', rooms, rootDevDependencies: shared };
        const problem = problemOf(room, imported, context);
        const place = relative(root, imported.file).split(sep).join('/');
        if (problem !== undefined) problems.push(`${place}:${imported.line}: ${problem}`);
      }
    }
    problems.push(...unusedDependencies(room, published, rooms), ...foreignVersions(room, rooms));
  }
  return problems;
}
