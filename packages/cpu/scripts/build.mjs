// Builds the native file of this package with whatever C++ compiler there is, when sources, flags or compiler changed.
//   node scripts/build.mjs              → build/cria-cpu-<platform>-<arch>.node
//   node scripts/build.mjs --own
//     → the same for this processor alone, in half the time; a complete one is left as it is
//   node scripts/build.mjs --runnable   → the same for all instruction sets that this processor has
//   node scripts/build.mjs --wasm       → the native file and, beside it, build/cria-cpu.wasm (build-wasm.mjs)
// Without a compiler it writes the reason to build/reason.json and builds the kernels as wasm
// (build-wasm.mjs) instead. Where that fails too, it says so and succeeds: the reference device
// takes over. An instruction set that the compiler does not know is left out, and the file says
// why.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildWasm, NO_COMPILER } from './build-wasm.mjs';
import { build, commonFlags, findCompiler, make, units } from './compile.mjs';
import { isas, isasOf, knownTo, ownIsas, runnableIsas } from './isas.mjs';
import { fingerprint } from './sources.mjs';

const target = `cria-cpu-${process.platform}-${process.arch}.node`;
const require = createRequire(import.meta.url);

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

function linkFlags() {
  if (process.platform === 'darwin') return ['-bundle', '-undefined', 'dynamic_lookup'];
  // Pool threads outlive the worker that loaded the file: it must never be unloaded.
  return ['-shared', '-pthread', '-Wl,-z,nodelete', '-s'];
}

/**
 * The wasm file in a process of its own, beside the native build; the status to end with. @returns
 * {Promise<number>}
 */
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
async function buildBoth(/** @type {import('./compile.mjs').Compiler} */ compiler) {
  const [native, wasm] = await Promise.all([buildNative(compiler), wasmBeside()]);
  return native || wasm;
}

async function main() {
  const compiler = findCompiler();
  if (!compiler) {
    const reason = 'no C++ compiler was found (looked for $CXX, g++, clang++, c++)';
    return withoutNative(reason);
  }
  if (process.platform === 'win32' || isasOf(process.arch).length === 0) {
    const reason = `the native kernels are not built for ${process.platform}-${process.arch}`;
    return withoutNative(reason);
  }
  return process.argv.includes('--wasm') ? buildBoth(compiler) : buildNative(compiler);
}

/** What the command line asks for. @param {string} compiler */
function chosenIsas(compiler) {
  if (process.argv.includes('--own')) return ownIsas(compiler);
  return process.argv.includes('--runnable') ? runnableIsas(compiler) : isasOf(process.arch);
}

/** The headers of Node-API: those of npm's package, which a checkout has, or those that came with this Node. */
function nodeHeaders() {
  const own = join(dirname(realpathSync(process.execPath)), '../include/node');
  try {
    return join(dirname(require.resolve('node-api-headers/package.json')), 'include');
  } catch {
    return existsSync(join(own, 'node_api.h')) ? own : undefined;
  }
}

/** @param {import('./compile.mjs').Compiler} compiler */
async function buildNative(compiler) {
  const native = isasOf(process.arch);
  const headers = nodeHeaders();
  if (headers === undefined) return withoutNative('the headers of Node-API are not installed');
  const hash = createHash('sha256');
  const sources = fingerprint('native');
  for (const text of [
    compiler.command,
    compiler.version,
    JSON.stringify([commonFlags, isas, linkFlags()]),
    sources,
  ])
    hash.update(`${text}\0`);
  const complete = hash.digest('hex');
  const wanted = chosenIsas(compiler.command);
  const key = wanted.length === native.length ? complete : `${complete} ${wanted.join(' ')}`;
  const output = join(build, target);
  const stamp = join(build, 'sources.sha256');
  const built = existsSync(output) && existsSync(stamp) ? readFileSync(stamp, 'utf8') : '';
  if (built === key || built === complete) return 0;

  const started = performance.now();
  const { known, leftOut } = knownTo(compiler.command, wanted);
  for (const [name, reason] of Object.entries(leftOut)) console.log(`@cria/cpu: ${name} left out: ${reason}`);
  const objects = join(build, `objects-${process.pid}`);
  mkdirSync(objects, { recursive: true });
  const parts = units({
    arch: process.arch,
    chosen: known,
    leftOut,
    // One file alone carries the fingerprint of all, or an edit to one header would compile all of them.
    plain: { storage: [], pool: [], addon: [`-DCRIA_SOURCES="${sources}"`] },
    folder: objects,
    flags: commonFlags,
    headers: [headers],
  });
  const { problem: failure, compiled } = await make(compiler, parts, output, linkFlags());
  if (failure === '') {
    // Kept for the test that no symbol leaks out of an instruction set's namespace.
    for (const { object } of parts.slice(0, known.length))
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
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const made = `${compiled} of ${parts.length} objects compiled`;
  console.log(`@cria/cpu: built ${target} (${known.join(', ')}; ${made}) in ${seconds} s`);
  return 0;
}

process.exitCode = await main();
