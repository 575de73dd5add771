// The long forms of suites whose short forms run with every `npm test`:
//   node scripts/heavy.mjs isas | soak | fuzz | browser
// lib/heavy-suites.mjs says which files they are.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { heavySuites } from './lib/heavy-suites.mjs';
import { run } from './lib/run.mjs';
import { root } from './lib/workspace.mjs';

const name = process.argv[2] ?? '';
const suite = heavySuites[name];
const missing = suite?.files.filter((file) => !existsSync(join(root, file))) ?? [];
if (suite === undefined || process.argv.length > 3 || missing.length > 0) {
  const problem =
    missing.length > 0
      ? `${missing.join(', ')} is not there`
      : `no suite "${process.argv.slice(2).join(' ')}"`;
  process.stderr.write(`[heavy] ${problem}. hint: one of ${Object.keys(heavySuites).join(', ')}\n`);
  process.exit(1);
}

/** The slowest of them tries ten thousand files in one test. */
const timeout = '--testTimeout=1200000';
const { code } = await run(
  process.execPath,
  ['node_modules/vitest/vitest.mjs', 'run', timeout, ...suite.files],
  {
    cwd: root,
    live: true,
    env: { ...process.env, ...suite.env },
  },
);
process.exitCode = code;
