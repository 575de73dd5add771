// The long checks that continuous integration runs in turns, one a commit: its hash says which, so
// that a run can be repeated.
//   node scripts/turns.mjs          runs this commit's, after printing which
//   node scripts/turns.mjs --list   says what there is
import { turn } from './lib/commit-turn.mjs';
import { run } from './lib/run.mjs';
import { root } from './lib/workspace.mjs';

const suite = 'node_modules/vitest/vitest.mjs';

/** Name → arguments of node. @type {Record<string, readonly string[]>} */
const turns = {
  'npm run test:isas': ['scripts/heavy.mjs', 'isas'],
  'npm run fuzz': ['scripts/heavy.mjs', 'fuzz'],
  'npm run test:node22': ['scripts/with-node.mjs', '22', suite, 'run'],
  'npm run test:node24': ['scripts/with-node.mjs', '24', suite, 'run'],
  'npm run check:installs': ['scripts/check-installs.mjs', '--all'],
};

const names = Object.keys(turns);
const name = names[turn() % names.length] ?? '';
if (process.argv.includes('--list')) {
  for (const each of names) console.log(`${each === name ? '→' : ' '} ${each}`);
} else {
  console.log(`this commit's turn: ${name} (of ${names.join(', ')})`);
  process.exitCode = (await run(process.execPath, turns[name] ?? [], { cwd: root, live: true })).code;
}
