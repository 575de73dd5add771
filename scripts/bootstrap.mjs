// Makes a checkout ready with nothing but Node and npm: installs with the pinned pnpm when the lockfile or a manifest
// changed, builds the native kernels, and builds what is stale. Does nothing, quickly, when nothing changed.
//   node scripts/bootstrap.mjs [start | test | docs | install]
// start: packages as JavaScript; test: native and wasm kernels only (tests run from sources); docs:
// adds the documentation's own dependencies; install: dependencies only.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, staleRooms } from './build.mjs';
import { withLock } from './lib/lock.mjs';
import { findPnpm, plainEnvironment, registry } from './lib/pnpm.mjs';
import { root, rooms } from './lib/workspace.mjs';

const modes = /** @type {const} */ (['start', 'test', 'docs', 'install']);
/** @typedef {typeof modes[number]} Mode */

/** @param {string} problem @param {string} hint @returns {never} */
function fail(problem, hint) {
  console.error(`[bootstrap] ${problem}. hint: ${hint}`);
  process.exit(1);
}

function requireNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  fail(
    `Node ${process.versions.node} is too old for this workspace, which needs 20.19 or newer`,
    'install a current Node from https://nodejs.org',
  );
}

/** What decides whether an install is due: lockfile, workspace settings, every manifest, the platform, the mode. */
function installKey(/** @type {boolean} */ docs) {
  const hash = createHash('sha256');
  const manifests = ['.', ...rooms().map((room) => room.path), 'docs'].map((path) => `${path}/package.json`);
  for (const path of ['pnpm-lock.yaml', 'pnpm-workspace.yaml', ...manifests]) {
    const file = join(root, path);
    hash.update(`${path}\0${existsSync(file) ? readFileSync(file, 'utf8') : 'absent'}\0`);
  }
  return `${hash.digest('hex')} ${process.platform}-${process.arch}${docs ? ' docs' : ''}\n`;
}

/**
 * Installs when the key differs from the last install's. The documentation's dependencies stay out
 * of a plain start.
 */
function install(/** @type {boolean} */ docs) {
  const stamp = join(root, 'node_modules', '.bootstrap');
  const last = existsSync(stamp) ? readFileSync(stamp, 'utf8') : '';
  if (last === installKey(docs) || last === installKey(true)) return;
  const { pinned, command, prefix } = findPnpm();
  console.log(`installing dependencies with pnpm ${pinned} ...`);
  const filter = docs ? [] : ['--filter', '!docs'];
  const args = [
    ...prefix,
    ...filter,
    'install',
    '--frozen-lockfile',
    '--prefer-offline',
    '--reporter=append-only',
  ];
  const done = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    env: { ...plainEnvironment(), CI: 'true' },
    shell: process.platform === 'win32',
    maxBuffer: 64 * 2 ** 20,
  });
  if (done.status !== 0) {
    const output = `${done.stdout ?? ''}${done.stderr ?? ''}${done.error?.message ?? ''}`;
    process.stderr.write(`${output.trimEnd().split('\n').slice(-25).join('\n')}\n`);
    failedInstall(pinned, output, done.status);
  }
  mkdirSync(join(root, 'node_modules'), { recursive: true });
  writeFileSync(stamp, installKey(docs));
}

/** @param {string} pinned @param {string} output @param {number | null} status @returns {never} */
function failedInstall(pinned, output, status) {
  const unreachable =
    /ENOTFOUND|EAI_AGAIN|ECONN(REFUSED|RESET)|ETIMEDOUT|ENETUNREACH|ERR_SOCKET|(META|PNPM)_FETCH|audit endpoint/;
  if (unreachable.test(output)) {
    fail(
      `the npm registry ${registry()} could not be reached`,
      'check the network, the proxy (npm config get proxy) and the registry (npm config get registry), ' +
        'then run this again',
    );
  }
  if (/OUTDATED_LOCKFILE/.test(output)) {
    fail(
      'pnpm-lock.yaml does not match the manifests',
      `run "npx pnpm@${pinned} install" and commit the lockfile`,
    );
  }
  fail(`pnpm ${pinned} install ended with status ${status}`, 'the lines above are the end of what it said');
}

/** Native kernels. The script builds only when stale, and says why where there is no compiler. */
async function buildNative(/** @type {Mode} */ mode) {
  const script = join(root, 'packages/cpu/scripts/build.mjs');
  if (!existsSync(script)) return;
  // Tests run every instruction set that the processor has, and wasm.
  const child = spawn(
    process.execPath,
    [script, ...(mode === 'start' ? ['--own'] : ['--runnable', '--wasm'])],
    {
      cwd: join(root, 'packages/cpu'),
      stdio: 'inherit',
    },
  );
  const [status] = await once(child, 'close');
  if (status === 0) return;
  if (mode === 'test')
    fail(`the native kernels failed to build (status ${status})`, 'see the compiler messages above');
  console.warn(
    `[bootstrap] the native kernels failed to build (status ${status}); the plain device takes their place.`,
  );
}

requireNode();
const asked = process.argv[2] ?? 'start';
const mode = modes.find((name) => name === asked);
if (mode === undefined) fail(`unknown mode "${asked}"`, `use one of ${modes.join(', ')}`);

await withLock(
  join(root, 'node_modules', '.bootstrap.lock'),
  async () => {
    install(mode === 'docs');
    if (mode === 'start' || mode === 'test') await buildNative(mode);
    if (mode !== 'start') return;
    const stale = staleRooms();
    if (stale.length === 0) return;
    console.log(`building ${stale.length} of ${rooms().length} packages ...`);
    if (!(await build(stale))) fail('a package failed to build', 'see the messages above');
  },
  () => console.log('waiting for another set-up of this checkout to finish ...'),
);
