// The long checks that continuous integration runs in turns, one a commit: its hash says which, so
// that a run can be repeated.
//   node scripts/turns.mjs          runs this commit's, after printing which
//   node scripts/turns.mjs --list   says what there is
import { spawnSync } from 'node:child_process';
import { run } from './lib/run.mjs';
import { root } from './lib/workspace.mjs';

const suite = 'node_modules/vitest/vitest.mjs';

/** Name → arguments of node. @type {Record<string, readonly string[]>} */
const turns = {
  'npm run test:isas': ['scripts/heavy.mjs', 'isas'],
  'npm run fuzz': ['scripts/heavy.mjs', 'fuzz'],
  'npm run test:node22': ['scripts/with-node.mjs', '22', suite, 'run'],
  'npm run test:node24': ['scripts/with-node.mjs', '24', suite, 'run'],
};

/** Which turn a commit has; without git, the day decides. */
function turnOf() {
  const { status, stdout } = spawnSync('git', ['rev-parse', 'HEAD'], { cwd: root, encoding: 'utf8' });
  const number = status === 0 ? Number.parseInt(stdout.slice(0, 8), 16) : Math.floor(Date.now() / 86_400_000);
  const names = Object.keys(turns);
  return names[number % names.length] ?? '';
}

const name = turnOf();
if (process.argv.includes('--list')) {
  for (const each of Object.keys(turns)) console.log(`${each === name ? '→' : ' '} ${each}`);
} else {
  console.log(`this commit's turn: ${name} (of ${Object.keys(turns).join(', ')})`);
  process.exitCode = (await run(process.execPath, turns[name] ?? [], { cwd: root, live: true })).code;
}
