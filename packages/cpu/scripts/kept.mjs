// Compiled files, kept by content in the user's cache folder, so that a fresh or moved clone of the
// same sources compiles nothing. An entry is named by the hash of all that decides its bytes and
// starts with the hash of its own, so that a damaged one is seen. Several builds may read and write
// at one time: an entry appears whole or not at all.
//   CRIA_CACHE=<folder>   another place;   CRIA_CACHE=off   nothing is kept
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';

/** Entries together, in bytes: some forty builds of every form. */
const LIMIT = 512 * 2 ** 20;
/** Length of the hash that an entry starts with. */
const HEAD = 32;

/**
 * The user's folder for what can be made again, or undefined where nothing shall be kept. @returns
 * {string | undefined}
 */
export function cacheFolder(env = process.env, platform = process.platform) {
  const asked = env.CRIA_CACHE?.trim() ?? '';
  if (asked !== '') return /^(off|0|false|no)$/i.test(asked) ? undefined : resolve(asked);
  const home = env.HOME ?? env.USERPROFILE ?? homedir();
  if (platform === 'darwin') return home === '' ? undefined : join(home, 'Library/Caches/cria');
  const named = platform === 'win32' ? env.LOCALAPPDATA : env.XDG_CACHE_HOME;
  // Relative paths are to be ignored, says the base directory specification.
  if (named !== undefined && isAbsolute(named)) return join(named, 'cria');
  return home === '' ? undefined : join(home, platform === 'win32' ? 'AppData/Local/cria' : '.cache/cria');
}

/** @param {Uint8Array} bytes */
const hashOf = (bytes) => createHash('sha256').update(bytes).digest();

/** @param {string | undefined} folder */
const entriesOf = (folder) => (folder === undefined ? undefined : join(folder, 'compiled'));

/**
 * The bytes kept under a key, or undefined. A damaged entry is dropped.
 * @param {string} key @param {string | undefined} [folder]
 * @returns {Uint8Array | undefined}
 */
export function kept(key, folder = cacheFolder()) {
  const entries = entriesOf(folder);
  if (entries === undefined) return undefined;
  const path = join(entries, key);
  if (!existsSync(path)) return undefined;
  try {
    const entry = readFileSync(path);
    const bytes = entry.subarray(HEAD);
    if (entry.length > HEAD && hashOf(bytes).equals(entry.subarray(0, HEAD))) {
      const now = new Date();
      utimesSync(path, now, now); // the oldest are dropped first
      return bytes;
    }
    rmSync(path, { force: true });
  } catch {
    // Gone meanwhile, or not ours to read: as if it were not there.
  }
  return undefined;
}

/**
 * Keeps bytes under a key and drops the oldest entries above the limit. A folder that cannot be
 * written keeps nothing: the build that made the bytes has them anyway.
 * @param {string} key @param {Uint8Array} bytes
 * @param {{ folder?: string | undefined, limit?: number }} [options]
 */
export function keep(key, bytes, { folder = cacheFolder(), limit = LIMIT } = {}) {
  const entries = entriesOf(folder);
  if (entries === undefined) return;
  const path = join(entries, key);
  const partial = `${path}.${process.pid}.tmp`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(partial, Buffer.concat([hashOf(bytes), bytes]));
    renameSync(partial, path);
    drop(entries, limit);
  } catch {
    if (existsSync(partial)) rmSync(partial, { force: true });
  }
}

/**
 * Drops the entries that were not used for longest, and what a killed build left half-written.
 * @param {string} entries @param {number} limit
 */
function drop(entries, limit) {
  const files = readdirSync(entries).flatMap((name) => {
    const state = statSync(join(entries, name), { throwIfNoEntry: false });
    return state ? [{ name, size: state.size, used: state.mtimeMs }] : [];
  });
  const anHourAgo = Date.now() - 3_600_000;
  let total = 0;
  for (const { name, size, used } of files.sort((a, b) => b.used - a.used)) {
    total += size;
    if (total > limit || (name.endsWith('.tmp') && used < anHourAgo))
      rmSync(join(entries, name), { force: true });
  }
}
