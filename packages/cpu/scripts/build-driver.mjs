// Builds the standalone programs that run the kernels without Node (cpp/driver):
//   node scripts/build-driver.mjs address|thread [--all]
//     under a sanitizer, for this processor's own instruction sets or all
//   node scripts/build-driver.mjs neon                     for arm64, by the cross compiler; runs under qemu
//   node scripts/build-driver.mjs tiles                    AMX in emulation, for x86 processors with AVX-512 BF16
//   node scripts/build-driver.mjs tiles-address            the same under a sanitizer
// each as build/driver-KIND, when sources or flags changed.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, commonFlags, cpp, findCompiler, make, units } from './compile.mjs';
import { isasOf, knownTo, ownIsas } from './isas.mjs';
import { fingerprint as sourcesFingerprint } from './sources.mjs';

const sanitized = [...commonFlags.filter((flag) => flag !== '-O3'), '-O1', '-g', '-fno-omit-frame-pointer'];
const cross = 'aarch64-linux-gnu-g++';

/**
 * @typedef {'address' | 'thread' | 'neon' | 'tiles' | 'tiles-address'} Kind
 * @typedef {object} Plan
 * @property {import('./compile.mjs').Compiler} compiler
 * @property {string} arch
 * @property {readonly string[]} wanted
 * @property {readonly string[]} flags
 * @property {readonly string[]} link
 */

/** @param {Kind} kind @param {boolean} all @returns {Plan | string} the plan, or what is missing */
function planOf(kind, all) {
  if (kind === 'neon') {
    const compiler = findCompiler([cross]);
    if (!compiler) return `${cross} is not here (Debian: apt-get install g++-aarch64-linux-gnu)`;
    const link = ['-pthread', '-static'];
    return { compiler, arch: 'arm64', wanted: isasOf('arm64'), flags: commonFlags, link };
  }
  const compiler = findCompiler();
  if (!compiler) return 'no C++ compiler is here (looked for $CXX, g++, clang++, c++)';
  const { arch } = process;
  const sanitizer =
    kind === 'thread'
      ? ['-fsanitize=thread']
      : kind === 'tiles'
        ? []
        : ['-fsanitize=address,undefined', '-fno-sanitize-recover=undefined'];
  if (kind === 'tiles' || kind === 'tiles-address') {
    if (arch !== 'x64') return `the emulated tiles need an x64 processor, this one is ${arch}`;
    const flags = [...(kind === 'tiles' ? commonFlags : sanitized), ...sanitizer, '-DCRIA_AMX_EMULATED'];
    const wanted = ['avx512', 'amx', 'avx512vnni'];
    return { compiler, arch, wanted, flags, link: ['-pthread', ...sanitizer] };
  }
  const wanted = all ? isasOf(arch) : ownIsas(compiler.command);
  return { compiler, arch, wanted, flags: [...sanitized, ...sanitizer], link: ['-pthread', ...sanitizer] };
}

/**
 * @param {Kind} kind
 * @param {{ all?: boolean }} [options] all: every instruction set of the architecture
 * @returns {Promise<{ path: string } | { problem: string }>}
 */
export async function buildDriver(kind, { all = false } = {}) {
  const plan = planOf(kind, all);
  if (typeof plan === 'string') return { problem: plan };
  const { compiler, arch, wanted, flags, link } = plan;
  const { known, leftOut } = knownTo(compiler.command, wanted);
  for (const [name, reason] of Object.entries(leftOut))
    console.log(`driver-${kind}: ${name} left out: ${reason}`);
  const path = join(build, `driver-${kind}`);
  const stamp = `${path}.sha256`;
  const key = fingerprint([compiler, arch, known, flags, link]);
  if (existsSync(path) && existsSync(stamp) && readFileSync(stamp, 'utf8') === key) return { path };
  const started = performance.now();
  const folder = join(build, `objects-${kind}`);
  mkdirSync(folder, { recursive: true });
  const plain = Object.fromEntries(
    ['storage', 'pool', ...driverSources('.cc').map((file) => file.slice(0, -3))].map((unit) => [unit, []]),
  );
  const parts = units({ arch, chosen: known, leftOut, plain, folder, flags });
  const { problem } = await make(compiler, parts, path, link);
  if (problem) return { problem: problem.trimEnd() };
  writeFileSync(stamp, key);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`built build/driver-${kind} (${known.join(', ')}) in ${seconds} s`);
  return { path };
}

/** Files of the driver's own. @param {'.cc' | '.h'} ending */
const driverSources = (ending) =>
  readdirSync(join(cpp, 'driver'))
    .filter((name) => name.endsWith(ending))
    .map((name) => `driver/${name}`)
    .sort();

/** @param {unknown} settings */
function fingerprint(settings) {
  const hash = createHash('sha256').update(JSON.stringify(settings));
  hash.update(sourcesFingerprint('native'));
  for (const name of [...driverSources('.cc'), ...driverSources('.h'), 'generated/fuzz.h'])
    hash.update(`${name}\0`).update(readFileSync(join(cpp, name)));
  return hash.digest('hex');
}

if (import.meta.filename === process.argv[1]) {
  const kinds = /** @type {const} */ (['address', 'thread', 'neon', 'tiles', 'tiles-address']);
  const kind = kinds.find((name) => name === process.argv[2]);
  if (kind === undefined) {
    console.error(`[build-driver] which one? hint: ${kinds.join(', ')}`);
    process.exitCode = 2;
  } else {
    const result = await buildDriver(kind, { all: process.argv.includes('--all') });
    if ('problem' in result) {
      console.error(`[build-driver] ${result.problem}`);
      process.exitCode = 1;
    }
  }
}
