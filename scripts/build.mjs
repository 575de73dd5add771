// Builds the packages whose sources changed since their last build, two at a time.
//   node scripts/build.mjs [--types] [--all]
// A start needs JavaScript only; --types adds the declarations (what npm gets), --all builds everything anew.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { forEachOf, run } from './lib/run.mjs';
import { filesBelow, fingerprint, root, rooms } from './lib/workspace.mjs';

/** @typedef {import('./lib/workspace.mjs').Room} Room */

/** What the last build of a room was made from; outside `dist`, which is published. */
const stampOf = (/** @type {Room} */ room) => join(root, 'node_modules/.cache/builds', room.name);

/** What a build of this room is made from. A build with types also serves who needs JavaScript only. */
function sources(/** @type {Room} */ room) {
  const shared = ['scripts/tsup.ts', 'tsconfig.base.json', 'tsconfig.json'].map((path) => join(root, path));
  const own = ['package.json', 'tsup.config.ts'].map((name) => join(room.folder, name));
  // What goes with C++ holds a fingerprint of all of it (packages/cpu/scripts/sources.mjs).
  const native = existsSync(join(room.folder, 'cpp'))
    ? rooms().flatMap(({ folder }) => [...filesBelow(join(folder, 'cpp'))])
    : [];
  return fingerprint(
    [...shared, ...own, ...native, ...filesBelow(join(room.folder, 'src'))].filter((path) =>
      existsSync(path),
    ),
  );
}

/**
 * Rooms whose `dist` was made from other sources than those on disk, or without the types asked for.
 * @param {{ types?: boolean }} [options]
 */
export function staleRooms({ types = false } = {}) {
  return rooms().filter((room) => {
    if (room.manifest.scripts?.['build'] === undefined) return false;
    if (!existsSync(stampOf(room)) || !existsSync(join(room.folder, 'dist'))) return true;
    const [kind, ...files] = readFileSync(stampOf(room), 'utf8').split('\n');
    return (types && kind !== 'types') || files.join('\n') !== sources(room);
  });
}

/**
 * Builds the given rooms; prints a line a room, and everything the compiler said about one that fails.
 * @param {readonly Room[]} stale
 * @param {{ types?: boolean }} [options]
 * @returns {Promise<boolean>} whether all of them were built
 */
export async function build(stale, { types = false } = {}) {
  const tsup = join(root, 'node_modules/tsup/dist/cli-default.js');
  const env = { ...process.env, CRIA_BUILD_TYPES: types ? 'yes' : 'no' };
  const built = await forEachOf(stale, async (room) => {
    const made = sources(room);
    rmSync(stampOf(room), { force: true });
    const { code, output, seconds } = await run(process.execPath, [tsup, '--silent'], {
      cwd: room.folder,
      env,
    });
    if (code === 0) mkdirSync(dirname(stampOf(room)), { recursive: true });
    if (code === 0) writeFileSync(stampOf(room), `${types ? 'types' : 'js'}\n${made}`);
    else process.stderr.write(`${output.trimEnd()}\n`);
    console.log(`  ${code === 0 ? 'built ' : 'FAILED'} ${room.path} ${seconds.toFixed(1)} s`);
    return code === 0;
  });
  return built.every(Boolean);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const types = process.argv.includes('--types');
  const wanted = process.argv.includes('--all')
    ? rooms().filter((room) => room.manifest.scripts?.['build'] !== undefined)
    : staleRooms({ types });
  if (wanted.length === 0) console.log('every package is up to date');
  process.exitCode = (await build(wanted, { types })) ? 0 : 1;
}
