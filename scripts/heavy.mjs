// The long forms of suites whose short forms run with every `npm test`: node scripts/heavy.mjs WORD… runs the test files whose
// names hold one of the words, with CRIA_HEAVY set, which is what those files look at.
import { run } from './lib/run.mjs';
import { root } from './lib/workspace.mjs';

const words = process.argv.slice(2);
if (words.length === 0) {
  process.stderr.write('[heavy] no suite is named. hint: npm run soak, npm run fuzz\n');
  process.exit(1);
}

const { code } = await run('npx', ['vitest', 'run', ...words], {
  cwd: root,
  live: true,
  env: { ...process.env, CRIA_HEAVY: '1' },
});
process.exitCode = code;
