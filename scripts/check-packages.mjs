// Packs every package as npm would get it and checks the tarball: publint --strict, attw (ESM
// only), a licence, a README, no workspace ranges, no install scripts; and that @cria/cpu,
// installed from its tarball, computes in wasm. Needs `npm run build` first.
//   node scripts/check-packages.mjs [name ...]
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { transform } from 'esbuild';
import { buildWasm } from '../packages/cpu/scripts/build-wasm.mjs';
import { findPnpm, plainEnvironment } from './lib/pnpm.mjs';
import { readmeExample } from './lib/readme-example.mjs';
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

/**
 * `@cria/cpu` as a user without a native package gets it: the tarballs of it and what it needs,
 * installed in a new folder, run the example of its README on the wasm file that is inside.
 * @returns {Promise<string[]>}
 */
async function wasmProblems() {
  const { problem, noCompiler } = await buildWasm();
  if (noCompiler) {
    console.log(`  skipped the wasm file of packages/cpu: ${problem}`);
    return [];
  }
  if (problem) return [problem];
  const folder = mkdtempSync(join(tmpdir(), 'cria-install-'));
  const env = plainEnvironment();
  try {
    const needed = rooms().filter(({ name }) => ['attention', 'tensor', 'cpu'].includes(name));
    for (const room of needed) {
      const args = [...pnpm.prefix, 'pack', '--pack-destination', folder];
      const packed = await run(pnpm.command, args, { cwd: room.folder, env });
      if (packed.code !== 0) return [`pnpm pack failed\n${packed.output}`];
    }
    const tarballs = readdirSync(folder).map((name) => `./${name}`);
    const cpu = tarballs.find((name) => name.includes('cria-cpu-')) ?? '';
    const list = (await run('tar', ['-tzf', join(folder, cpu)])).output.split('\n');
    if (!list.includes('package/build/cria-cpu.wasm')) return ['the tarball has no build/cria-cpu.wasm'];
    writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n');
    const options = ['--offline', '--ignore-scripts', '--no-audit', '--no-fund', '--omit=peer'];
    const installed = await run('npm', ['install', ...options, ...tarballs], { cwd: folder, env });
    if (installed.code !== 0) return [`npm install of the tarballs failed\n${installed.output}`];
    const example = readmeExample(readFileSync(join(root, 'packages/cpu/README.md'), 'utf8')) ?? '';
    const { code } = await transform(example, { loader: 'ts', target: 'node20' });
    writeFileSync(join(folder, 'example.js'), code);
    const ran = await run(process.execPath, ['example.js'], { cwd: folder, env, limitMs: 60_000 });
    if (ran.code !== 0 || !/wasm, \d+ thread/.test(ran.output))
      return [`the installed example did not run on wasm\n${ran.output}`];
    console.log(`  ok     packages/cpu installed from its tarball: ${ran.output.split('\n')[0]}`);
    return [];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
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
if (wanted.some(({ name }) => name === 'cpu')) {
  const problems = await wasmProblems();
  for (const problem of problems) console.error(`  FAILED packages/cpu: ${problem}`);
  results.push(problems.length === 0);
}
process.exitCode = results.every(Boolean) ? 0 : 1;
