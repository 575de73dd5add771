// Packs every package as npm would get it and checks the tarball: publint --strict, attw (ESM only), a licence, a README,
// no workspace ranges, no install scripts. Needs `npm run build` first.
//   node scripts/check-packages.mjs [name ...]
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findPnpm, plainEnvironment } from './lib/pnpm.mjs';
import { forEachOf, run } from './lib/run.mjs';
import { root, rooms } from './lib/workspace.mjs';

/** @typedef {import('./lib/workspace.mjs').Room} Room */

const pnpm = findPnpm();
const bin = (/** @type {string} */ name) => join(root, 'node_modules/.bin', name);

/** What is wrong with the files and the manifest of a tarball. @param {string} tarball @returns {Promise<string[]>} */
async function contentProblems(tarball) {
  const list = (await run('tar', ['-tzf', tarball])).output.split('\n');
  const problems = ['LICENSE', 'README.md']
    .filter((name) => !list.includes(`package/${name}`))
    .map((name) => `the tarball has no ${name}`);
  const tests = list.filter((path) => /^package\/(test|bench)\//.test(path));
  if (tests.length > 0) problems.push(`the tarball ships ${tests.length} test files`);
  const manifest = JSON.parse((await run('tar', ['-xzOf', tarball, 'package/package.json'])).output);
  for (const [name, range] of Object.entries({ ...manifest.dependencies, ...manifest.peerDependencies })) {
    if (String(range).startsWith('workspace:')) problems.push(`${name} is still "${range}"`);
  }
  for (const script of ['preinstall', 'install', 'postinstall']) {
    if (manifest.scripts?.[script] !== undefined)
      problems.push(`has the install script "${script}", which npm and pnpm block`);
  }
  return problems;
}

/** @param {Room} room @param {string} folder @returns {Promise<string[]>} problems, none when it can be published */
async function check(room, folder) {
  const env = plainEnvironment();
  const packed = await run(pnpm.command, [...pnpm.prefix, 'pack', '--pack-destination', folder], {
    cwd: room.folder,
    env,
  });
  const name = readdirSync(folder).find((file) => file.endsWith('.tgz'));
  if (packed.code !== 0 || name === undefined) return [`pnpm pack failed\n${packed.output}`];
  const tarball = join(folder, name);
  const problems = await contentProblems(tarball);
  const publint = await run(bin('publint'), [tarball, '--strict'], { env });
  if (publint.code !== 0) problems.push(`publint --strict\n${publint.output}`);
  const attw = await run(bin('attw'), [tarball, '--profile', 'esm-only', '--no-emoji'], { env });
  if (attw.code !== 0) problems.push(`attw --profile esm-only\n${attw.output}`);
  return problems;
}

const names = process.argv.slice(2);
const wanted = rooms().filter(
  (room) => room.manifest.private !== true && (names.length === 0 || names.includes(room.name)),
);
const results = await forEachOf(wanted, async (room) => {
  const folder = mkdtempSync(join(tmpdir(), 'cria-pack-'));
  const problems = await check(room, folder);
  rmSync(folder, { recursive: true, force: true });
  console.log(`  ${problems.length === 0 ? 'ok    ' : 'FAILED'} ${room.path}`);
  for (const problem of problems) console.error(problem.trimEnd().replace(/^/gm, '    '));
  return problems.length === 0;
});
process.exitCode = results.every(Boolean) ? 0 : 1;
