// Builds the native file of this package with whatever C++ compiler there is, when sources, flags or compiler changed.
//   node scripts/build.mjs              → build/cria-cpu-<platform>-<arch>.node
//   node scripts/build.mjs --own        → the same for this processor alone, in half the time; a complete one is left as it is
//   node scripts/build.mjs --wasm       → the native file and, beside it, build/cria-cpu.wasm (build-wasm.mjs)
//   node scripts/build.mjs --sanitize   → build/driver-{address,thread}, standalone programs that run the kernels under sanitizers
// Without a compiler it writes the reason to build/reason.json and builds the kernels as wasm (build-wasm.mjs) instead. Where that fails
// too, it says so and succeeds: the reference device takes over.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildWasm, NO_COMPILER } from './build-wasm.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const cpp = join(root, 'cpp');
const build = join(root, 'build');
const target = `cria-cpu-${process.platform}-${process.arch}.node`;
const require = createRequire(import.meta.url);

const avx2 = ['-mavx2', '-mfma', '-mf16c'];
const avx512 = [...avx2, '-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mprefer-vector-width=512'];

/** Flags of each instruction set's file; the portable one has none of its own. */
const isas = {
  avx512: { arch: ['x64'], flags: avx512 },
  avx2: { arch: ['x64'], flags: avx2 },
  avx512vnni: { arch: ['x64'], flags: [...avx512, '-mavx512vnni'] },
  avx512bf16: { arch: ['x64'], flags: [...avx512, '-mavx512vnni', '-mavx512bf16'] },
  baseline: { arch: ['x64', 'arm64'], flags: [] },
};

const common = [
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

/** Every header and source that the build reads: ours, and the attention kernels. */
function sources() {
  const attention = attentionFolder();
  const folders = [cpp, join(cpp, 'kernels'), ...(attention ? [attention] : [])];
  return folders.flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => /\.(cc|h)$/.test(name) && name !== 'driver.cc')
      .sort()
      .map((name) => join(folder, name)),
  );
}

/** The C++ attention kernels: in the workspace beside this package, in npm copied into it. */
function attentionFolder() {
  return [join(root, '../attention/cpp'), join(cpp, 'attention')].find((folder) => existsSync(folder));
}

/** @returns {{ command: string, version: string } | undefined} */
function findCompiler() {
  const named = process.env.CXX?.trim();
  for (const command of [...(named ? [named] : []), 'g++', 'clang++', 'c++']) {
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

/** @param {string} reason */
function recordReason(reason) {
  mkdirSync(build, { recursive: true });
  writeFileSync(join(build, 'reason.json'), `${JSON.stringify({ reason })}\n`);
}

/** The kernels in wasm, where they cannot be native. @param {string} reason */
async function withoutNative(reason) {
  recordReason(reason);
  console.log(`@cria/cpu: ${reason}; the kernels are compiled to wasm instead.`);
  const { problem } = await buildWasm();
  if (problem) console.log(`@cria/cpu: ${problem}; the plain TypeScript device takes over.`);
  return 0;
}

const native = Object.entries(isas).filter(([, { arch }]) => arch.includes(process.arch));

/** The instruction sets that this processor's own table of kernels is made of, by what the compiler sees of it. */
function ownIsas(/** @type {string} */ compiler) {
  const [program = '', ...first] = compiler.split(/\s+/);
  const args = [...first, '-march=native', '-dM', '-E', '-x', 'c++', '/dev/null'];
  const { stdout, status } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) return native;
  const has = (/** @type {string[]} */ ...names) =>
    names.every((name) => stdout.includes(`#define __${name}__ `));
  const wide = has('AVX512F', 'AVX512BW', 'AVX512DQ', 'AVX512VL');
  const own = wide ? 'avx512' : has('AVX2', 'FMA', 'F16C') ? 'avx2' : 'baseline';
  return native.filter(([name]) => (own === 'avx512' ? name.startsWith(own) : name === own));
}

const includes = attentionFolder() ? [`-I${attentionFolder()}`] : [];

/** Object files of a build: [source, object, flags]. Instruction sets come first, they take longest. */
function units(
  /** @type {typeof native} */ chosen,
  /** @type {string} */ folder,
  /** @type {string[]} */ flags,
  /** @type {string[]} */ plain,
) {
  const without = native.filter((isa) => !chosen.includes(isa)).map(([name]) => `-DCRIA_WITHOUT_${name}`);
  return [
    ...chosen.map(([name, isa]) => ({
      source: `isa-${name}.cc`,
      object: join(folder, `isa-${name}.o`),
      flags: [...flags, ...isa.flags],
    })),
    ...plain.map((name) => ({
      source: `${name}.cc`,
      object: join(folder, `${name}.o`),
      flags: [...flags, ...without],
    })),
  ];
}

/**
 * @param {string} compiler
 * @param {ReturnType<typeof units>} parts
 * @param {string} output
 * @param {string[]} linkFlags
 */
async function make(compiler, parts, output, linkFlags) {
  const failure = await all(
    parts.map(
      ({ source, object, flags }) =>
        () =>
          compile(compiler, [...flags, '-c', join(cpp, source), '-o', object]),
    ),
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

function linkFlags() {
  if (process.platform === 'darwin') return ['-bundle', '-undefined', 'dynamic_lookup'];
  // Pool threads outlive the worker that loaded the file: it must never be unloaded.
  return ['-shared', '-pthread', '-Wl,-z,nodelete', '-s'];
}

/** The wasm file in a process of its own, beside the native build; the status to end with. @returns {Promise<number>} */
function wasmBeside() {
  const script = fileURLToPath(new URL('build-wasm.mjs', import.meta.url));
  return new Promise((resolve) => {
    spawn(process.execPath, [script], { stdio: 'inherit' }).on('close', (status) => {
      if (status === NO_COMPILER) console.log('@cria/cpu: the tests of the wasm kernels will be skipped.');
      resolve(status === NO_COMPILER ? 0 : (status ?? 1));
    });
  });
}

/** Both forms; without a C++ compiler the native build makes wasm by itself. */
async function buildBoth(/** @type {NonNullable<ReturnType<typeof findCompiler>>} */ compiler) {
  const [native, wasm] = await Promise.all([buildNative(compiler), wasmBeside()]);
  return native || wasm;
}

async function main() {
  const compiler = findCompiler();
  if (!compiler) {
    const reason = 'no C++ compiler was found (looked for $CXX, g++, clang++, c++)';
    return withoutNative(reason);
  }
  if (process.platform === 'win32' || native.length === 0) {
    const reason = `the native kernels are not built for ${process.platform}-${process.arch}`;
    return withoutNative(reason);
  }
  if (process.argv.includes('--sanitize')) return sanitize(compiler.command);
  return process.argv.includes('--wasm') ? buildBoth(compiler) : buildNative(compiler);
}

/** @param {NonNullable<ReturnType<typeof findCompiler>>} compiler */
async function buildNative(compiler) {
  const headers = join(dirname(require.resolve('node-api-headers/package.json')), 'include');
  const flags = [...common, ...includes];
  const hash = createHash('sha256');
  for (const text of [compiler.command, compiler.version, JSON.stringify([flags, isas, linkFlags()])])
    hash.update(`${text}\0`);
  for (const path of sources()) hash.update(`${path.slice(root.length)}\0`).update(readFileSync(path));
  const complete = hash.digest('hex');
  const chosen = process.argv.includes('--own') ? ownIsas(compiler.command) : native;
  const key =
    chosen.length === native.length ? complete : `${complete} ${chosen.map(([name]) => name).join(' ')}`;
  const output = join(build, target);
  const stamp = join(build, 'sources.sha256');
  const built = existsSync(output) && existsSync(stamp) ? readFileSync(stamp, 'utf8') : '';
  if (built === key || built === complete) return 0;

  const started = performance.now();
  const objects = join(build, `objects-${process.pid}`);
  mkdirSync(objects, { recursive: true });
  const parts = units(chosen, objects, [...flags, `-I${headers}`], ['storage', 'pool', 'isa', 'addon']);
  const failure = await make(compiler.command, parts, output, linkFlags());
  if (failure === '') {
    // Kept for the test that no symbol leaks out of an instruction set's namespace.
    for (const { object } of parts.slice(0, chosen.length))
      renameSync(object, join(build, object.slice(objects.length + 1)));
  }
  rmSync(objects, { recursive: true, force: true });
  if (failure) {
    rmSync(output, { force: true });
    recordReason(`${compiler.command} could not compile the kernels`);
    console.error(failure.trimEnd());
    console.error(
      `[@cria/cpu build] ${compiler.command} could not compile the kernels. hint: set CXX to another compiler`,
    );
    return 1;
  }
  writeFileSync(stamp, key);
  rmSync(join(build, 'reason.json'), { force: true });
  console.log(
    `@cria/cpu: built ${target} (${chosen.map(([name]) => name).join(', ')}) in ${((performance.now() - started) / 1000).toFixed(1)} s`,
  );
  return 0;
}

/** Standalone drivers: pool, storage and kernels without Node, once per kind of sanitizer. */
async function sanitize(/** @type {string} */ compiler) {
  for (const kind of /** @type {const} */ (['address', 'thread'])) {
    const sanitizer =
      kind === 'address'
        ? ['-fsanitize=address,undefined', '-fno-sanitize-recover=undefined']
        : ['-fsanitize=thread'];
    const objects = join(build, `objects-${kind}`);
    mkdirSync(objects, { recursive: true });
    const flags = [
      ...common.filter((flag) => flag !== '-O3'),
      '-O1',
      '-g',
      '-fno-omit-frame-pointer',
      ...sanitizer,
      ...includes,
    ];
    const output = join(build, `driver-${kind}`);
    const failure = await make(
      compiler,
      units(native, objects, flags, ['storage', 'pool', 'isa', 'driver']),
      output,
      ['-pthread', ...sanitizer],
    );
    if (failure) {
      console.error(failure.trimEnd());
      return 1;
    }
    console.log(`@cria/cpu: built build/driver-${kind}`);
  }
  return 0;
}

process.exitCode = await main();
