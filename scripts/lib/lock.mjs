// One builder at a time in a checkout: `npm start` beside `npm test` must not clean each other's output away.
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** @param {number} pid */
function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM';
  }
}

/** @param {string} folder  whether the lock's owner is gone (or never wrote its name within ten seconds) */
function isAbandoned(folder) {
  try {
    return !isRunning(Number(readFileSync(join(folder, 'pid'), 'utf8')));
  } catch {
    try {
      return Date.now() - statSync(folder).mtimeMs > 10_000;
    } catch {
      return false; // given back this moment: the next attempt takes it
    }
  }
}

/**
 * Runs `work` while holding the lock; waits for whoever holds it, takes over from a process that died.
 * @template R
 * @param {string} folder  the lock: a folder that exists while it is held
 * @param {() => Promise<R>} work
 * @param {(pid: string) => void} [onWait]  called once, when there is somebody to wait for
 * @returns {Promise<R>}
 */
export async function withLock(folder, work, onWait) {
  mkdirSync(dirname(folder), { recursive: true });
  for (let waited = false; ;) {
    try {
      mkdirSync(folder);
      break;
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error;
    }
    if (isAbandoned(folder)) {
      rmSync(folder, { recursive: true, force: true });
      continue;
    }
    if (!waited) onWait?.(folder);
    waited = true;
    await sleep(100);
  }
  writeFileSync(join(folder, 'pid'), String(process.pid));
  const release = () => rmSync(folder, { recursive: true, force: true });
  process.once('exit', release);
  try {
    return await work();
  } finally {
    process.off('exit', release);
    release();
  }
}
