// Compiling and linking C++ with whatever compiler there is.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isas, isasOf } from './isas.mjs';
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
  ...includeFolders.map((folder) => `-I${folder}`),
];

/** @returns {{ command: string, version: string } | undefined} */
export function findCompiler(candidates = [process.env.CXX?.trim() ?? '', 'g++', 'clang++', 'c++']) {
  for (const command of candidates) {
    if (command === '') continue;
    const [program = '', ...first] = command.split(/\s+/);
    const found = spawnSync(program, [...first, '--version'], { encoding: 'utf8' });
    if (found.status === 0) return { command, version: found.stdout };
  }
  return undefined;
}

/** @param {string} command @param {string[]} args @returns {Promise<string>} what the compiler said when it failed, else '' */
function compile(command, args) {
  return new Promise((resolve) => {
    const [program = '', ...first] = command.split(/\s+/);
    const child = spawn(program, [...first, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (data) => (output += data));
    child.stderr.on('data', (data) => (output += data));
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code) => resolve(code === 0 ? '' : output || `${program} ended with status ${code}`));
  });
}

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
 * Object files of a build. Instruction sets come first, they take longest.
 * @param {object} options
 * @param {string} options.arch `process.arch` of the target
 * @param {readonly string[]} options.chosen instruction sets
 * @param {Record<string, string>} [options.leftOut] why others of that architecture are not there, where more is known than that
 * @param {readonly string[]} options.plain other sources, without `.cc`
 * @param {string} options.folder for objects
 * @param {readonly string[]} options.flags of all of them
 */
export function units({ arch, chosen, leftOut = {}, plain, folder, flags }) {
  const others = isasOf(arch).filter((name) => !chosen.includes(name));
  const without = others.map(
    (name) => `-DCRIA_WITHOUT_${name}="${leftOut[name] ?? 'this file was built without it'}"`,
  );
  return [
    ...chosen.map((name) => ({
      source: `isa-${name}.cc`,
      object: join(folder, `isa-${name}.o`),
      flags: [...flags, ...(isas[name]?.flags ?? [])],
    })),
    ...plain.map((name) => ({
      source: `${name}.cc`,
      object: join(folder, `${name}.o`),
      flags: [...flags, ...without],
    })),
  ];
}

/**
 * What an object was made from: compiler, flags and the files that the compiler read the last time; '' before there is any.
 * @param {string} compiler @param {ReturnType<typeof units>[number]} part
 */
function fingerprint(compiler, { object, flags }) {
  if (!existsSync(object) || !existsSync(`${object}.d`)) return '';
  const hash = createHash('sha256').update(JSON.stringify([compiler, flags]));
  for (const path of dependencies(object))
    hash.update(`${path}\0`).update(existsSync(path) ? readFileSync(path) : '');
  return hash.digest('hex');
}

/** Files that an object was made from, as the compiler wrote them down. @param {string} object */
function dependencies(object) {
  if (!existsSync(`${object}.d`)) return [];
  const [, files = ''] = readFileSync(`${object}.d`, 'utf8').split(/: /);
  return files.split(/[\s\\]+/).filter((file) => file !== '');
}

/**
 * Compiles the parts that changed since the last time and links them to `output`, which appears whole or not at all. One build at a time
 * may use a folder of objects.
 * @param {string} compiler
 * @param {ReturnType<typeof units>} parts
 * @param {string} output
 * @param {readonly string[]} linkFlags
 * @returns {Promise<string>} what the compiler said when it failed, else ''
 */
export async function make(compiler, parts, output, linkFlags) {
  const stale = parts.filter((part) => {
    const stamp = `${part.object}.sha256`;
    const key = fingerprint(compiler, part);
    return key === '' || !existsSync(stamp) || readFileSync(stamp, 'utf8') !== key;
  });
  const failure = await all(
    stale.map((part) => async () => {
      const { source, object, flags } = part;
      rmSync(`${object}.sha256`, { force: true });
      const files = ['-MMD', '-MF', `${object}.d`, '-c', join(cpp, source), '-o', object];
      const started = Date.now();
      const message = await compile(compiler, [...flags, ...files]);
      // What was edited meanwhile may or may not be in the object: it is made again next time.
      const edited = dependencies(object).some(
        (path) => (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Infinity) >= started,
      );
      if (message === '' && !edited) writeFileSync(`${object}.sha256`, fingerprint(compiler, part));
      return message;
    }),
  );
  if (failure) return failure;
  const partial = `${output}.${process.pid}.tmp`;
  const linked = await compile(compiler, [...parts.map(({ object }) => object), ...linkFlags, '-o', partial]);
  if (linked) {
    rmSync(partial, { force: true });
    return linked;
  }
  renameSync(partial, output);
  return '';
}
