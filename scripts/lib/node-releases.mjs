// Other releases of Node: npm's package of one, at a pinned version, is fetched once into the user's cache folder.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { cacheFolder } from '../../packages/cpu/scripts/kept.mjs';
import { plainEnvironment } from './pnpm.mjs';

/** Major version → the release that is tried. @type {Readonly<Record<string, string>>} */
export const versions = { 22: '22.23.5', 24: '24.22.3' };

/**
 * Path of that Node, which is fetched where it is not there yet.
 * @param {string} version
 * @throws when npm cannot install it
 */
export function nodeOf(version) {
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
    const said = stderr?.trim().split('\n').at(-1) ?? '';
    throw new Error(`[with-node] npm could not install ${name} ${version}: ${said}. hint: check the network`);
  }
  try {
    renameSync(partial, folder);
  } catch {
    rmSync(partial, { recursive: true, force: true }); // another run was quicker
  }
  return program;
}
