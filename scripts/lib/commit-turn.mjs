// A number that decides whose turn it is, where each run of continuous integration does one of
// several long things.
import { spawnSync } from 'node:child_process';
import { root } from './workspace.mjs';

/** The same for a commit in every run of it; without git, of the day. @returns {number} */
export function turn() {
  const { status, stdout } = spawnSync('git', ['rev-parse', 'HEAD'], { cwd: root, encoding: 'utf8' });
  return status === 0 ? Number.parseInt(stdout.slice(0, 8), 16) : Math.floor(Date.now() / 86_400_000);
}
