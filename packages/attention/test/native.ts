/** Builds cpp/test/driver.cc once an instruction set and runs problems through it as a child process. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { keptProgram } from '../../../scripts/support/kept.ts';
import type { FloatArray } from '../src/index.ts';

const driver = fileURLToPath(new URL('../cpp/test/driver.cc', import.meta.url));
/**
 * The vectors that these kernels are written over: headers of the private package `simd`, which has
 * no name to import.
 */
const vectors = fileURLToPath(new URL('../../simd/cpp/', import.meta.url));

const isas = {
  avx512bf16: {
    flags: ['-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mavx512bf16', '-mfma'],
    needs: ['avx512f', 'avx512bw', 'avx512dq', 'avx512vl', 'avx512_bf16'],
  },
  avx512: {
    flags: ['-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mfma'],
    needs: ['avx512f', 'avx512bw', 'avx512dq', 'avx512vl'],
  },
  avx2: { flags: ['-mavx2', '-mfma', '-mf16c'], needs: ['avx2', 'fma'] },
  baseline: { flags: ['-DCRIA_PORTABLE'], needs: [] },
} as const;
export type Isa = keyof typeof isas;

/** Instruction sets that this machine can build and run, and why the others are left out. */
export function availableIsas(): { isas: Isa[]; skipped: string[] } {
  const compiler = spawnSync('g++', ['--version']);
  if (compiler.error || compiler.status !== 0) return { isas: [], skipped: ['all: no g++'] };
  const cpu = existsSync('/proc/cpuinfo') ? readFileSync('/proc/cpuinfo', 'utf8') : '';
  const available = (Object.keys(isas) as Isa[]).filter((isa) =>
    isas[isa].needs.every((flag) => cpu.includes(` ${flag}`)),
  );
  const skipped = (Object.keys(isas) as Isa[])
    .filter((isa) => !available.includes(isa))
    .map((isa) => `${isa}: not in /proc/cpuinfo`);
  return { isas: available, skipped };
}

/** All shapes of a case, or one of each kind: the one in the middle. */
export function shapesOf<S>(
  full: boolean,
  shapes: readonly S[],
  kindOf: (shape: S) => string = () => '',
): S[] {
  if (full) return [...shapes];
  const kinds = [...new Set(shapes.map(kindOf))];
  return kinds.map((kind) => {
    const alike = shapes.filter((shape) => kindOf(shape) === kind);
    return alike[alike.length >> 1];
  });
}

export interface Driver {
  readonly run: (problem: Problem) => Buffer;
  /** The object file's symbols, demangled. */
  readonly symbols: () => string;
  readonly remove: () => void;
}

/**
 * Compiles the driver for one instruction set into a temporary folder; with CRIA_SANITIZE=1 under
 * the address sanitizer.
 */
export function buildDriver(isa: Isa): Driver {
  const folder = mkdtempSync(join(tmpdir(), 'cria-attention-'));
  const binary = join(folder, isa);
  const flags = [
    '-std=c++17',
    '-O2',
    '-fno-exceptions',
    '-fno-rtti',
    '-fno-math-errno',
    '-ffp-contract=off',
    ...isas[isa].flags,
    ...(process.env['CRIA_SANITIZE'] ? ['-O1', '-g', '-fsanitize=address'] : []),
  ];
  keptProgram('g++', [...flags, `-DCRIA_ISA=${isa}`, `-I${vectors}`], driver, binary);
  return {
    run: (problem) => {
      const child = spawnSync(binary, { input: encode(problem), maxBuffer: 2 ** 30, encoding: 'buffer' });
      if (child.status !== 0)
        throw new Error(`driver ended with ${child.status ?? child.signal}: ${child.stderr.toString()}`);
      return child.stdout;
    },
    symbols: () => spawnSync('nm', ['-C', binary], { encoding: 'utf8' }).stdout,
    remove: () => rmSync(folder, { recursive: true }),
  };
}

/** In the driver's order. */
const ops = [
  'forward',
  'backward',
  'paged',
  'exp',
  'bench-forward',
  'bench-backward',
  'bench-paged',
  'peak',
  'read',
] as const;

export const storedForms = ['f32', 'bf16', 'f16', 'q8_0'] as const;

export interface Problem {
  readonly op: (typeof ops)[number];
  readonly T?: number;
  readonly S?: number;
  readonly heads?: number;
  readonly kvHeads?: number;
  readonly headDim?: number;
  readonly blockSize?: number;
  readonly maxBlocks?: number;
  readonly blocks?: number;
  /** Take the units of work in descending order. */
  readonly reverse?: boolean;
  readonly scale?: number;
  /** Keys that a row sees at most; default all. */
  readonly window?: number | undefined;
  /** q, k, v and out are bf16. */
  readonly half?: boolean;
  /** How a cache is stored: places in `storedForms`. */
  readonly stored?: (typeof storedForms)[number];
  readonly arrays: readonly (FloatArray | Int32Array | Uint16Array | Uint8Array)[];
}

function encode(p: Problem): Buffer {
  const {
    T = 0,
    S = 0,
    heads = 1,
    kvHeads = heads,
    headDim = 1,
    blockSize = 0,
    maxBlocks = 0,
    blocks = 0,
  } = p;
  const header = Int32Array.of(
    ops.indexOf(p.op),
    T,
    S,
    heads,
    kvHeads,
    headDim,
    blockSize,
    maxBlocks,
    blocks,
    p.reverse ? 1 : 0,
    p.half ? 1 : 0,
    storedForms.indexOf(p.stored ?? 'f32'),
    p.window ?? 0,
  );
  const scale = Float32Array.of(p.scale ?? 1 / Math.sqrt(headDim));
  return Buffer.concat(
    [header, scale, ...p.arrays].map((array) =>
      Buffer.from(array.buffer, array.byteOffset, array.byteLength),
    ),
  );
}

/** Cuts the driver's answer into arrays of the given lengths. */
export function decode(answer: Buffer, lengths: readonly number[]): Float32Array[] {
  const all = new Float32Array(answer.buffer.slice(answer.byteOffset, answer.byteOffset + answer.length));
  if (all.length !== lengths.reduce((a, b) => a + b, 0))
    throw new Error(`driver answered ${all.length} numbers, expected ${lengths.join(' + ')}`);
  let start = 0;
  return lengths.map((length) => all.subarray(start, (start += length)));
}
