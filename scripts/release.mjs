// The two commands of the release workflow.
//   node scripts/release.mjs version               consumes the changesets: versions, change logs, lockfile
//   node scripts/release.mjs publish <folder>
//     publishes native packages found below the folder, then everything else
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { nativeTargets } from './lib/native-targets.mjs';
import { findPnpm } from './lib/pnpm.mjs';
import { readManifest, root } from './lib/workspace.mjs';

/** @param {string} problem @param {string} hint @returns {never} */
function fail(problem, hint) {
  console.error(`[release] ${problem}. hint: ${hint}`);
  process.exit(1);
}

/** @param {string} command @param {readonly string[]} args @param {string} [cwd] */
function must(command, args, cwd = root) {
  const { status } = spawnSync(command, args, { cwd, stdio: 'inherit' });
  if (status !== 0) fail(`${command} ${args.join(' ')} ended with status ${status}`, 'see above');
}

/** @param {string} name @param {string} version */
function isPublished(name, version) {
  const { status, stdout, stderr } = spawnSync('npm', ['view', `${name}@${version}`, 'version'], {
    encoding: 'utf8',
  });
  if (status === 0) return stdout.trim() !== '';
  if (/E404/.test(stderr)) return false;
  return fail(`npm view ${name} failed: ${stderr.trim()}`, 'is the registry reachable?');
}

/**
 * Publishes the native packages, and lets `@cria/cpu` name exactly those as optional dependencies.
 * @param {string} folder
 */
function publishNative(folder) {
  const cpu = join(root, 'packages/cpu');
  const manifest = readManifest(cpu);
  const packages = readdirSync(folder)
    .map((name) => join(folder, name))
    .filter((path) => existsSync(join(path, 'package.json')));
  if (packages.length !== Object.keys(nativeTargets).length) {
    fail(
      `${packages.length} native packages in ${folder}, expected ${Object.keys(nativeTargets).length}`,
      'did a build job fail?',
    );
  }
  /** @type {Record<string, string>} */
  const optional = {};
  for (const path of packages) {
    const { name, version } = readManifest(path);
    if (version !== manifest.version)
      fail(`${name} is ${version}, @cria/cpu is ${manifest.version}`, 'build it again');
    if (!isPublished(name, version)) must('npm', ['publish', '--access', 'public'], path);
    optional[name] = version;
  }
  // Not in the repository: before a version is published nothing could be installed that names it.
  const published = { ...manifest, optionalDependencies: optional };
  writeFileSync(join(cpu, 'package.json'), `${JSON.stringify(published, null, 2)}\n`);
}

const [command, folder] = process.argv.slice(2);
const changeset = join(root, 'node_modules/.bin/changeset');
const { command: pnpm, prefix } = findPnpm();
if (command === 'version') {
  must(changeset, ['version']);
  must(pnpm, [...prefix, 'install', '--lockfile-only']);
} else if (command === 'publish' && folder !== undefined) {
  publishNative(resolve(folder));
  must(changeset, ['publish']);
} else fail(`unknown command "${command ?? ''}"`, 'version, or publish <folder of native packages>');
