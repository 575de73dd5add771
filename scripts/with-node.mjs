// Runs a script of this workspace under another Node (lib/node-releases.mjs).
//   node scripts/with-node.mjs 22 scripts/check-readmes.mjs
//   node scripts/with-node.mjs 24 node_modules/vitest/vitest.mjs run
import { spawnSync } from 'node:child_process';
import { delimiter, dirname } from 'node:path';
import { nodeOf, versions } from './lib/node-releases.mjs';
import { root } from './lib/workspace.mjs';

/** @param {string} problem @param {string} hint @returns {never} */
function fail(problem, hint) {
  console.error(`[with-node] ${problem}. hint: ${hint}`);
  process.exit(2);
}

const [major = '', ...args] = process.argv.slice(2);
const version = versions[major];
if (version === undefined || args.length === 0)
  fail(
    `node scripts/with-node.mjs ${process.argv.slice(2).join(' ')}`,
    `a major version (${Object.keys(versions).join(', ')}), then a script`,
  );
const program = nodeOf(version);
// First on the path, too, so that what the script starts as `node` is the same.
const PATH = `${dirname(program)}${delimiter}${process.env.PATH ?? ''}`;
const { status, error } = spawnSync(program, args, {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, PATH },
});
if (error) fail(`${program} did not run: ${error.message}`, 'remove its folder and try again');
process.exitCode = status ?? 1;
