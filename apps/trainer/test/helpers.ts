import { copyFileSync, mkdirSync, mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { main } from '../src/program.ts';

export const root = fileURLToPath(new URL('../../../', import.meta.url));

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'cria-trainer-'));
}

/** The READMEs of the packages: real prose and code that every checkout has. */
export function texts(): string {
  const folder = join(temporaryFolder(), 'texts');
  mkdirSync(folder);
  for (const name of readdirSync(join(root, 'packages')))
    copyFileSync(join(root, 'packages', name, 'README.md'), join(folder, `${name}.md`));
  return folder;
}

/** Settings of a run that takes a second. */
export const small = [
  ['model.dim', 32],
  ['model.n_layers', 2],
  ['model.n_heads', 2],
  ['tokenizer.vocab_size', 400],
  ['data.validation_share', 0.2],
  ['data.max_validation_windows', 16],
  ['training.evaluation_windows', 4],
  ['training.evaluate_every', 20],
  ['training.context_length', 64],
  ['training.batch_size', 2],
].flatMap(([key, value]) => ['--set', `${key}=${value}`]);

export interface Printed {
  readonly code: number;
  readonly out: string;
  readonly errors: string;
  readonly told: readonly unknown[];
}

/** One command line in this process. */
export async function cria(...args: string[]): Promise<Printed> {
  const printed = { out: '', errors: '', told: [] as unknown[] };
  const code = await main(args, {
    out: { write: (text) => (printed.out += text) },
    errors: { write: (text) => (printed.errors += text) },
    now: () => performance.now() / 1000,
    time: () => Date.now() / 1000,
    tell: (message) => printed.told.push(message),
  });
  return { code, ...printed };
}
