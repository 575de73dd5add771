// Installs the packed packages as a user gets them, by npm and by pnpm, into empty projects, and runs
// each README's example there under Node 20, 22 and 24; in the project of @cria/cpu the native kernels
// are compiled, too. Needs `npm run build` first.
//   node scripts/check-installs.mjs          a manager and a Node a package, by the commit's hash
//   node scripts/check-installs.mjs --all    every package by both managers, under every Node
//   node scripts/check-installs.mjs [--all] name ...
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { transform } from 'esbuild';
import { buildWasm } from '../packages/cpu/scripts/build-wasm.mjs';
import { turn } from './lib/commit-turn.mjs';
import { nodeOf, versions } from './lib/node-releases.mjs';
import { findPnpm, plainEnvironment } from './lib/pnpm.mjs';
import { readmeExample } from './lib/readme-example.mjs';
import { forEachOf, run } from './lib/run.mjs';
import { rooms } from './lib/workspace.mjs';

/** @typedef {import('./lib/workspace.mjs').Room} Room */
/** @typedef {'npm' | 'pnpm'} Manager */

const [major = ''] = process.versions.node.split('.');
/** Major version → its program; the Node that runs this is one of them. */
const nodes = Object.entries({ ...versions, [major]: '' });
/** @type {readonly Manager[]} */
const managers = ['npm', 'pnpm'];
const packages = rooms().filter(({ kind, manifest }) => kind === 'packages' && manifest.private !== true);
const work = mkdtempSync(join(tmpdir(), 'cria-installs-'));
const pnpm = findPnpm();

/** Packs every package; its name → its tarball. @returns {Promise<Map<string, string>>} */
async function packAll() {
  const packed = await forEachOf(packages, async ({ name, folder, manifest }) => {
    const place = join(work, 'tarballs', name);
    mkdirSync(place, { recursive: true });
    const args = [...pnpm.prefix, 'pack', '--pack-destination', place];
    const { code, output } = await run(pnpm.command, args, { cwd: folder, env: plainEnvironment() });
    const [tarball] = readdirSync(place);
    if (code !== 0 || tarball === undefined)
      throw new Error(`[check-installs] pnpm pack of ${name}: ${output}`);
    return /** @type {const} */ ([manifest.name, join(place, tarball)]);
  });
  return new Map(packed);
}

/**
 * Packages of the workspace that a list of names needs to be installed.
 * @param {readonly string[]} names @returns {string[]}
 */
function closure(names) {
  const all = new Set(names);
  for (const name of all)
    for (const needed of Object.keys(
      packages.find(({ manifest }) => manifest.name === name)?.manifest.dependencies ?? {},
    ))
      if (needed.startsWith('@cria/')) all.add(needed);
  return [...all].sort();
}

/** What an example imports by name, without the paths inside. @param {string} code */
function imported(code) {
  const names = [...code.matchAll(/^(?:import|} from|export).*?'((?:@[\w-]+\/)?[a-z][\w.-]*)[^']*';/gm)];
  return [...new Set(names.map(([, name = '']) => name))].filter((name) => !name.startsWith('node'));
}

/**
 * An empty project with a package and what its example imports.
 * @param {string} folder @param {Manager} manager @param {readonly string[]} names
 * @param {ReadonlyMap<string, string>} tarballs
 * @returns {Promise<string>} what went wrong, or ''
 */
async function install(folder, manager, names, tarballs) {
  const own = names.filter((name) => tarballs.has(name));
  const others = names.filter((name) => !tarballs.has(name));
  const files = Object.fromEntries(closure(own).map((name) => [name, `file:${tarballs.get(name)}`]));
  const dependencies = { ...files, ...Object.fromEntries(others.map((name) => [name, '*'])) };
  const manifest = { private: true, type: 'module', dependencies, pnpm: { overrides: files } };
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  // Installed packages are made for any project: nothing of this workspace or of its settings is above the folder.
  const [command, args] =
    manager === 'npm'
      ? ['npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', '--omit=peer']]
      : [
          pnpm.command,
          [
            ...pnpm.prefix,
            'install',
            '--prefer-offline',
            '--config.auto-install-peers=false',
            '--ignore-workspace',
          ],
        ];
  const { code, output } = await run(command, args, {
    cwd: folder,
    env: plainEnvironment(),
    limitMs: 180_000,
  });
  return code === 0 ? '' : `${manager} install failed\n${output}`;
}

/** @param {string} version  '' for the Node that runs this */
const programOf = (version) => (version === '' ? process.execPath : nodeOf(version));

/** @param {string} folder @param {string} program @param {readonly string[]} args */
function under(folder, program, args) {
  const env = { ...plainEnvironment(), PATH: `${dirname(program)}${delimiter}${process.env.PATH ?? ''}` };
  return run(program, args, { cwd: folder, env, limitMs: 300_000 });
}

/**
 * Compiles the kernels inside an installed @cria/cpu and computes with them.
 * @param {string} folder @returns {Promise<string>}
 */
async function compileProblem(folder) {
  const script = 'node_modules/@cria/cpu/scripts/build.mjs';
  const built = await under(folder, process.execPath, [script, '--own']);
  if (built.code !== 0) return `${script} failed\n${built.output}`;
  if (/is compiled to wasm|are compiled to wasm/.test(built.output)) {
    console.log(`  skipped compiling the installed @cria/cpu: ${built.output.trim()}`);
    return '';
  }
  const ran = await under(folder, process.execPath, ['example.js']);
  return ran.code === 0 && !/wasm, \d+ thread/.test(ran.output)
    ? ''
    : `the kernels were compiled, and the example did not run on them\n${built.output}${ran.output}`;
}

/**
 * @param {Room} room @param {Manager} manager @param {readonly (readonly [string, string])[]} under_  Node versions
 * @param {ReadonlyMap<string, string>} tarballs
 * @returns {Promise<{ problem: string, line: string }>}
 */
async function check(room, manager, under_, tarballs) {
  const folder = join(work, `${room.name} ${manager}`);
  const example = readmeExample(readFileSync(join(room.folder, 'README.md'), 'utf8'));
  if (example === undefined) return { problem: 'its README has no example', line: '' };
  const { code } = await transform(example, { loader: 'ts', target: 'node20' });
  const names = [...new Set([room.manifest.name, ...imported(example)])];
  const problem = await install(folder, manager, names, tarballs);
  if (problem) return { problem, line: '' };
  writeFileSync(join(folder, 'example.js'), code);
  const told = [];
  for (const [name, version] of under_) {
    const { code: status, output, seconds } = await under(folder, programOf(version), ['example.js']);
    if (status !== 0) return { problem: `under Node ${name}, status ${status}\n${output}`, line: '' };
    told.push(`Node ${name} ${seconds.toFixed(1)} s`);
  }
  const compiled = room.name === 'cpu' ? await compileProblem(folder) : '';
  rmSync(folder, { recursive: true, force: true });
  return { problem: compiled, line: `by ${manager}: ${told.join(', ')}` };
}

const all = process.argv.includes('--all');
const names = process.argv.slice(2).filter((name) => name !== '--all');
const wanted = packages.filter(({ name }) => names.length === 0 || names.includes(name));
if (wanted.length < names.length) {
  console.error(
    `[check-installs] no package for one of ${names.join(', ')}. hint: ${packages.map(({ name }) => name).join(', ')}`,
  );
  process.exit(1);
}
try {
  // The kernels that an installed package computes with: only examples that import @cria/cpu need them.
  const computes = wanted.some(({ folder }) =>
    readFileSync(join(folder, 'README.md'), 'utf8').includes("from '@cria/cpu"),
  );
  const { problem, noCompiler = false } = computes ? await buildWasm() : { problem: '' };
  if (problem) console.log(`  the tarball of @cria/cpu has no wasm file: ${problem}`);
  if (problem && !noCompiler) throw new Error(problem);
  const tarballs = await packAll();
  for (const [, version] of nodes) programOf(version); // fetched once, not by two at a time
  const first = turn();
  const cases = wanted.flatMap((room, i) =>
    managers
      .filter((_, m) => all || (first + i) % managers.length === m)
      .map((manager) => ({
        room,
        manager,
        nodes: all ? nodes : nodes.filter((_, n) => (first + i) % nodes.length === n),
      })),
  );
  const results = await forEachOf(cases, async ({ room, manager, nodes }) => {
    const { problem, line } = await check(room, manager, nodes, tarballs);
    console.log(`  ${problem ? 'FAILED' : 'ok    '} ${room.path} ${problem ? `by ${manager}` : line}`);
    if (problem) console.error(problem.trimEnd().replace(/^/gm, '    '));
    return problem === '';
  });
  process.exitCode = results.every(Boolean) ? 0 : 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}
