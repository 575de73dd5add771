// Columns, lengths and comments of every source file, against scripts/style-limits.json.
//   node scripts/check-style.mjs            says what is wrong, and the comment share of each room
//   node scripts/check-style.mjs --ratchet  besides, lowers limits to what is there now: they never rise
// No line over 120 columns, no function over 60 lines but tables, no file over 400 lines; of lines
// over 100 columns no larger share, and of comments no smaller one, than the room's limit. `files`
// lists older exceptions with their figures.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkStyle, lowered, report } from './lib/style-limits.mjs';
import { figuresOf } from './lib/style.mjs';
import { root } from './lib/workspace.mjs';

/** Code: prose and tables of Markdown have no columns, data has no style. */
const code = /\.(ts|mjs|js|h|cc|cpp|c|css|html)$/;
const limitsPath = join(root, 'scripts/style-limits.json');

/** @type {import('./lib/style-limits.mjs').Limits} */
const limits = JSON.parse(readFileSync(limitsPath, 'utf8'));
// Of a new file its name is enough: it is checked before its first commit too.
const list = ['ls-files', '--cached', '--others', '--exclude-standard'];
const paths = execFileSync('git', list, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 }).split('\n');
const figures = new Map(
  paths
    .filter((path) => code.test(path) && !limits.generated.includes(path) && existsSync(join(root, path)))
    .map((path) => [path, figuresOf(path, readFileSync(join(root, path), 'utf8'))]),
);

const problems = checkStyle(figures, limits);
for (const line of report(figures, limits)) console.log(line);
for (const problem of problems) console.error(problem);
const next = JSON.stringify(lowered(figures, limits), null, 2) + '\n';
if (problems.length > 0) process.exitCode = 1;
else if (process.argv.includes('--ratchet')) writeFileSync(limitsPath, next);
else if (next !== JSON.stringify(limits, null, 2) + '\n')
  console.log('some limits are higher than need be; node scripts/check-style.mjs --ratchet lowers them');
