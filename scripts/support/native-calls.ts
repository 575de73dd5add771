import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Addresses of functions that calls of a device's list may run (native-calls.cc). */
export interface NativeCalls {
  readonly scale: number;
  readonly answer: number;
  readonly allReduce: number;
  /** The context of `allReduce`: ranks of this process that meet. */
  group(size: number): number;
}

const source = fileURLToPath(new URL('native-calls.cc', import.meta.url));
const cpu = fileURLToPath(new URL('../../packages/cpu/', import.meta.url));

/** Compiles the functions where they are not there yet; the file, or undefined where there is no compiler. */
export function nativeCallsFile(): string | undefined {
  const compiler = ['g++', 'clang++', 'c++'].find((name) => spawnSync(name, ['--version']).status === 0);
  if (!compiler || process.platform === 'win32') return undefined;
  const key = createHash('sha256').update(readFileSync(source)).update(compiler).digest('hex').slice(0, 16);
  const file = join(cpu, 'build', `native-calls-${key}.node`);
  if (existsSync(file)) return file;
  mkdirSync(dirname(file), { recursive: true });
  const require = createRequire(join(cpu, 'package.json'));
  const headers = join(dirname(require.resolve('node-api-headers/package.json')), 'include');
  const partial = `${file}.${process.pid}.tmp`;
  const link =
    process.platform === 'darwin' ? ['-bundle', '-undefined', 'dynamic_lookup'] : ['-shared', '-pthread'];
  const flags = ['-std=c++17', '-O2', '-fPIC', '-Wall', '-Wextra', `-I${headers}`];
  const made = spawnSync(compiler, [...flags, source, ...link, '-o', partial], { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(`native-calls.cc does not compile: ${made.stderr}`);
  renameSync(partial, file);
  return file;
}

export function loadNativeCalls(file: string): NativeCalls {
  return createRequire(import.meta.url)(file) as NativeCalls;
}
