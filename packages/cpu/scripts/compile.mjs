// Compiling and linking C++ with whatever compiler there is.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isas, isasOf } from './isas.mjs';
import { keep, kept } from './kept.mjs';
import { includeFolders } from './sources.mjs';

export const root = fileURLToPath(new URL('..', import.meta.url));
export const cpp = join(root, 'cpp');
export const build = join(root, 'build');

export const commonFlags = [
  '-std=c++17',
  '-O3',
  '-fPIC',
  '-fvisibility=hidden',
  '-fno-exceptions',
  '-fno-rtti',
  '-fno-math-errno',
  '-ffp-contract=off',
  '-pthread',
  '-Wall',
  '-Wextra',
  '-Wno-unknown-pragmas',
  // g++ 12 warns about its own intrinsics headers.
  '-Wno-uninitialized',
  '-Wno-maybe-uninitialized',
];

/** @typedef {{ command: string, version: string }} Compiler */

/** @returns {Compiler | undefined} */
export function findCompiler(candidates = [process.env.CXX?.trim() ?? '', 'g++', 'clang++', 'c++']) {
  for (const command of candidates) {
    if (command === '') continue;
    const [program = '', ...first] = command.split(/\s+/);
    const found = spawnSync(program, [...first, '--version'], { encoding: 'utf8' });
    if (found.status === 0) return { command, version: found.stdout };
  }
  return undefined;
}

/**
 * Runs the compiler. `problem` is what it said when it failed, else ''.
 * @param {string} command @param {string[]} args @returns {Promise<{ problem: string, output: string }>}
 */
function run(command, args) {
  return new Promise((resolve) => {
    const [program = '', ...first] = command.split(/\s+/);
    const child = spawn(program, [...first, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let [output, said] = ['', ''];
    child.stdout.on('data', (data) => (output += data));
    child.stderr.on('data', (data) => (said += data));
    child.on('error', (error) => resolve({ problem: error.message, output }));
    child.on('close', (code) => {
      const problem = code === 0 ? '' : output + said || `${program} ended with status ${code}`;
      resolve({ problem, output });
    });
  });
}

/**
 * @param {string} command @param {string[]} args @returns {Promise<string>} what the compiler said
 * when it failed, else ''
 */
const compile = async (command, args) => (await run(command, args)).problem;

/** Runs the jobs, as many at one time as there are cores (four at most); the first failure's message, or ''. */
async function all(/** @type {(() => Promise<string>)[]} */ jobs) {
  let next = 0;
  let failure = '';
  const lane = async () => {
    while (next < jobs.length && failure === '') {
      const message = await jobs[next++]?.();
      failure ||= message ?? '';
    }
  };
  await Promise.all(Array.from({ length: Math.min(4, availableParallelism(), jobs.length) }, lane));
  return failure;
}

/**
 * @typedef {object} Part an object file of a build
 * @property {string} source in `cpp`
 * @property {string} object path
 * @property {readonly string[]} flags
 * @property {readonly string[]} folders searched for headers
 */

/**
 * Object files of a build. Instruction sets come first, they take longest.
 * @param {object} options
 * @param {string} options.arch `process.arch` of the target
 * @param {readonly string[]} options.chosen instruction sets
 * @param {Record<string, string>} [options.leftOut] why others of that architecture are not there,
 *   where more is known than that
 * @param {Record<string, readonly string[]>} options.plain other sources, without `.cc`, and their own flags
 * @param {string} options.folder for objects
 * @param {readonly string[]} options.flags of all of them
 * @param {readonly string[]} [options.headers] folders of headers beside the workspace's
 * @returns {Part[]}
 */
export function units({ arch, chosen, leftOut = {}, plain, folder, flags, headers = [] }) {
  const folders = [...includeFolders, ...headers];
  const part = (/** @type {string} */ name, /** @type {readonly string[]} */ own) => ({
    source: `${name}.cc`,
    object: join(folder, `${name.replaceAll('/', '-')}.o`),
    flags: [...flags, ...own],
    folders,
  });
  const others = isasOf(arch).filter((name) => !chosen.includes(name));
  const without = others.map(
    (name) => `-DCRIA_WITHOUT_${name}="${leftOut[name] ?? 'this file was built without it'}"`,
  );
  return [
    ...chosen.map((name) => part(`isa-${name}`, isas[name]?.flags ?? [])),
    part('isa', without),
    ...Object.entries(plain).map(([name, own]) => part(name, own)),
  ];
}

/**
 * What decides the bytes of an object: compiler, flags, and the source as the preprocessor leaves
 * it, with all that it includes, the system's headers too. Comments, and where the files lie, are
 * gone by then (but where debuggers are told of lines).
 * @param {Compiler} compiler @param {Part} part
 * @returns {Promise<string>} '' where the compiler refuses the source
 */
async function keyOf({ command, version }, { source, flags, folders }) {
  const paths = folders.map((folder) => `-I${folder}`);
  const lines = flags.includes('-g') ? [] : ['-P'];
  const args = [...flags, ...paths, '-E', ...lines, join(cpp, source)];
  const { problem, output } = await run(command, args);
  if (problem) return '';
  return createHash('sha256')
    .update(JSON.stringify([command, version, flags]))
    .update(output)
    .digest('hex');
}

/** An object from those that are kept, or else from the compiler. @param {Compiler} compiler @param {Part} part */
async function makeObject(compiler, part) {
  const { source, object, flags, folders } = part;
  const key = await keyOf(compiler, part);
  const ready = key === '' ? undefined : kept(key);
  if (ready) {
    writeFileSync(object, ready);
    return { compiled: false, problem: '' };
  }
  const paths = folders.map((folder) => `-I${folder}`);
  const problem = await compile(compiler.command, [
    ...flags,
    ...paths,
    '-c',
    join(cpp, source),
    '-o',
    object,
  ]);
  // What was edited meanwhile may or may not be in the object.
  if (problem === '' && (await keyOf(compiler, part)) === key) keep(key, readFileSync(object));
  return { compiled: true, problem };
}

/**
 * Makes the objects, compiling those of which none is kept, and links them to `output`, which
 * appears whole or not at all. One build at a time may use a folder of objects.
 * @param {Compiler} compiler
 * @param {readonly Part[]} parts
 * @param {string} output
 * @param {readonly string[]} linkFlags
 * @returns {Promise<{ problem: string, compiled: number }>} what the compiler said when it failed,
 *   else ''; objects that it made
 */
export async function make(compiler, parts, output, linkFlags) {
  let compiled = 0;
  const failure = await all(
    parts.map((part) => async () => {
      const made = await makeObject(compiler, part);
      if (made.compiled) compiled++;
      return made.problem;
    }),
  );
  if (failure) return { problem: failure, compiled };
  const partial = `${output}.${process.pid}.tmp`;
  const objects = parts.map(({ object }) => object);
  const problem = await compile(compiler.command, [...objects, ...linkFlags, '-o', partial]);
  if (problem) rmSync(partial, { force: true });
  else renameSync(partial, output);
  return { problem, compiled };
}
