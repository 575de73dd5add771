import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { keep, kept } from '../../packages/cpu/scripts/kept.mjs';

/**
 * Compiles one C++ source to a program, or takes the program that was made of the same preprocessed
 * source with the same flags before.
 * @throws what the compiler said
 */
export function keptProgram(
  compiler: string,
  flags: readonly string[],
  source: string,
  program: string,
): void {
  const run = (args: readonly string[]) => {
    const { status, stdout, stderr, error } = spawnSync(compiler, args, {
      encoding: 'utf8',
      maxBuffer: 2 ** 30,
    });
    if (status !== 0) throw new Error(stderr || error?.message || `${compiler} ended with status ${status}`);
    return stdout;
  };
  const settings = JSON.stringify([run(['--version']), flags.filter((flag) => !flag.startsWith('-I'))]);
  const preprocessed = run([...flags, '-E', '-P', source]);
  const key = createHash('sha256').update(`program\0${settings}\0`).update(preprocessed).digest('hex');
  const ready = kept(key);
  if (ready) {
    writeFileSync(program, ready);
    chmodSync(program, 0o755);
    return;
  }
  run([...flags, source, '-o', program]);
  keep(key, readFileSync(program));
}
