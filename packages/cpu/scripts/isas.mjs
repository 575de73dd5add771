// The instruction sets that the kernels are compiled for: flags of each one's file
// (cpp/isa-NAME.cc), and which of them a compiler knows.
import { spawnSync } from 'node:child_process';

const avx2 = ['-mavx2', '-mfma', '-mf16c'];
const avx512 = [...avx2, '-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mprefer-vector-width=512'];
const vnni = [...avx512, '-mavx512vnni'];
const pairs = [...vnni, '-mavx512bf16'];

/**
 * @typedef {object} IsaBuild
 * @property {readonly string[]} arch `process.arch` of the processors that may have it
 * @property {readonly string[]} flags
 * @property {readonly string[]} needs others whose tables it starts from
 * @property {string} [probe] instructions that are written as assembly, which the assembler must know
 */

/** Longest to compile first. @type {Record<string, IsaBuild>} */
export const isas = {
  avx512: { arch: ['x64'], flags: avx512, needs: [] },
  avx2: { arch: ['x64'], flags: avx2, needs: [] },
  amx: {
    arch: ['x64'],
    flags: pairs,
    needs: ['avx512', 'avx512vnni'],
    probe: 'asm("ldtilecfg (%rax); tdpbf16ps %tmm2, %tmm1, %tmm0; tdpbsud %tmm2, %tmm1, %tmm0");',
  },
  avx512vnni: { arch: ['x64'], flags: vnni, needs: ['avx512'] },
  avx512bf16: { arch: ['x64'], flags: pairs, needs: ['avx512', 'avx512vnni'] },
  neon: { arch: ['arm64'], flags: [], needs: [] },
  neondot: { arch: ['arm64'], flags: ['-march=armv8.2-a+dotprod'], needs: ['neon'] },
  baseline: { arch: ['x64', 'arm64'], flags: [], needs: [] },
};

/** @param {string} arch @returns {string[]} */
export function isasOf(arch) {
  return Object.keys(isas).filter((name) => isas[name]?.arch.includes(arch));
}

/**
 * Runs the compiler on a piece of source. @param {string} compiler @param {readonly string[]} args
 * @param {string} source
 */
function runCompiler(compiler, args, source) {
  const [program = '', ...first] = compiler.split(/\s+/);
  return spawnSync(program, [...first, ...args], { encoding: 'utf8', input: source });
}

/**
 * Which of `wanted` the compiler can make, and why not the others.
 * @param {string} compiler
 * @param {readonly string[]} wanted
 * @returns {{ known: string[], leftOut: Record<string, string> }}
 */
export function knownTo(compiler, wanted) {
  /** @type {Record<string, string>} */
  const leftOut = {};
  const name = compiler.split('/').at(-1);
  for (const isa of wanted) {
    const { flags = [], probe = '' } = isas[isa] ?? {};
    const args = [...flags, '-x', 'c++', '-c', '-', '-o', '/dev/null'];
    if (runCompiler(compiler, args, `${probe}\n`).status !== 0)
      leftOut[isa] = `${name} or its assembler, which this file was built with, does not know it`;
  }
  for (const isa of wanted) {
    const missing = isas[isa]?.needs.find((need) => leftOut[need] !== undefined || !wanted.includes(need));
    if (missing && !leftOut[isa]) leftOut[isa] = `this file was built without ${missing}, which it needs`;
  }
  return { known: wanted.filter((isa) => leftOut[isa] === undefined), leftOut };
}

/**
 * Macros of the compiler that say of a processor what its instruction sets need. @type
 * {Record<string, readonly string[]>}
 */
const macros = {
  avx2: ['AVX2', 'FMA', 'F16C'],
  avx512: ['AVX512F', 'AVX512BW', 'AVX512DQ', 'AVX512VL'],
  avx512vnni: ['AVX512VNNI'],
  avx512bf16: ['AVX512BF16'],
  amx: ['AMX_TILE', 'AMX_BF16', 'AMX_INT8'],
  neondot: ['ARM_FEATURE_DOTPROD'],
};

/**
 * The instruction sets that this processor can run, by what the compiler sees of it; all of its
 * kind where the compiler cannot say.
 * @param {string} compiler
 * @returns {string[]}
 */
export function runnableIsas(compiler) {
  const all = isasOf(process.arch);
  const args = ['-march=native', '-dM', '-E', '-x', 'c++', '/dev/null'];
  const { stdout, status } = runCompiler(compiler, args, '');
  if (status !== 0) return all;
  const has = (/** @type {string} */ isa) =>
    (macros[isa] ?? []).every(
      (name) => stdout.includes(`#define __${name} `) || stdout.includes(`#define __${name}__ `),
    );
  return all.filter((isa) => has(isa) && (isas[isa]?.needs ?? []).every(has));
}

/**
 * The instruction sets that this processor's own table of kernels is made of.
 * @param {string} compiler
 * @returns {string[]}
 */
export function ownIsas(compiler) {
  const runnable = runnableIsas(compiler);
  if (process.arch === 'arm64') return runnable.filter((name) => name.startsWith('neon'));
  if (runnable.includes('avx512'))
    return runnable.filter((name) => name.startsWith('avx512') || name === 'amx');
  return [runnable.includes('avx2') ? 'avx2' : 'baseline'];
}
