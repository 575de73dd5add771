// Child processes for the scripts: run one and collect what it says, run many a few at a time.
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';

/**
 * @typedef {object} Finished
 * @property {number} code      exit status; 1 when a signal ended it or it could not start
 * @property {string} output    standard output and error in the order they came; empty with `live`
 * @property {number} seconds
 */

/**
 * Runs a program to its end. Never throws: a program that cannot start is a status of 1 with the reason as output.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, live?: boolean, limitMs?: number }} [options]
 *   live: pass its output straight through; limitMs: kill it after so long
 * @returns {Promise<Finished>}
 */
export function run(command, args, options = {}) {
  const { cwd, env = process.env, live = false, limitMs } = options;
  const started = performance.now();
  return new Promise((resolve) => {
    let output = '';
    const child = spawn(command, args, {
      ...(cwd === undefined ? {} : { cwd }),
      env,
      stdio: live ? 'inherit' : ['ignore', 'pipe', 'pipe'],
      shell: process.platform === 'win32',
      ...(limitMs === undefined ? {} : { timeout: limitMs, killSignal: 'SIGKILL' }),
    });
    /** @param {number} code */
    const finish = (code) => resolve({ code, output, seconds: (performance.now() - started) / 1000 });
    child.stdout?.on('data', (chunk) => (output += chunk));
    child.stderr?.on('data', (chunk) => (output += chunk));
    child.on('error', (error) => {
      output += `${command}: ${error.message}\n`;
      finish(1);
    });
    child.on('close', (code, signal) => {
      if (signal !== null) output += `ended by ${signal} after ${limitMs ?? '?'} ms\n`;
      finish(code ?? 1);
    });
  });
}

/**
 * Calls `work` for every item, at most `width` at a time (by default one a core, two at most: this runs on shared
 * machines). Results in the order of the items.
 * @template T, R
 * @param {readonly T[]} items
 * @param {(item: T) => Promise<R>} work
 * @param {number} [width]
 * @returns {Promise<R[]>}
 */
export async function forEachOf(items, work, width = Math.min(2, availableParallelism())) {
  /** @type {R[]} */
  const results = new Array(items.length);
  let next = 0;
  const lane = async () => {
    for (let i = next++; i < items.length; i = next++) results[i] = await work(/** @type {T} */ (items[i]));
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane));
  return results;
}
