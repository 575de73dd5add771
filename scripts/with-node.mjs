// Runs a script of this workspace under another Node: npm's package of it, at a pinned version, is
// fetched once into the user's cache folder.
//   node scripts/with-node.mjs 22 scripts/check-readmes.mjs
//   node scripts/with-node.mjs 24 node_modules/vitest/vitest.mjs run
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { cacheFolder } from '../packages/cpu/scripts/kept.mjs';
import { plainEnvironment } from './lib/pnpm.mjs';
import { root } from './lib/workspace.mjs';

/** Major version → the release that is tried. @type {Record<string, string>} */
const versions = { 22: '22.23.5', 24: '24.22.3' };

/** @param {string} problem @param {string} hint @returns {never} */
function fail(problem, hint) {
  console.error(`[with-node] ${problem}. hint: ${hint}`);
  process.exit(2);
}

/** Path of that Node, which is fetched where it is not there yet. @param {string} version */
function nodeOf(version) {
  const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
  const folder = join(cacheFolder() ?? join(tmpdir(), 'cria'), 'node', `${name}-${version}`);
  const program = join(
    folder,
    'node_modules',
    name,
    'bin',
    process.platform === 'win32' ? 'node.exe' : 'node',
  );
  if (existsSync(program)) return program;
  console.log(`fetching ${name} ${version} ...`);
  mkdirSync(dirname(folder), { recursive: true });
  const partial = mkdtempSync(`${folder}-`);
  writeFileSync(join(partial, 'package.json'), '{ "private": true }\n');
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', '--no-package-lock'];
  const { status, stderr } = spawnSync('npm', ['install', ...options, `${name}@${version}`], {
    cwd: partial,
    encoding: 'utf8',
    env: plainEnvironment(),
    shell: process.platform === 'win32',
  });
  if (status !== 0) {
    rmSync(partial, { recursive: true, force: true });
    fail(
      `npm could not install ${name} ${version}: ${stderr?.trim().split('\n').at(-1) ?? ''}`,
      'check the network',
    );
  }
  try {
    renameSync(partial, folder);
  } catch {
    rmSync(partial, { recursive: true, force: true }); // another run was quicker
  }
  return program;
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
