import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { listTrainingStates } from '@cria/checkpoint';
import { describe, expect, it } from 'vitest';
import { cria, root, small, temporaryFolder, texts } from './helpers.ts';

const folder = temporaryFolder();
const data = texts();
const run = join(folder, 'run');
const book = join(folder, 'book.txt');
const tokenizer = join(run, 'tokenizer.model');
writeFileSync(book, 'the llama looks at the other llamas\n'.repeat(20_000));
await cria('train', '--data', data, '--steps', '2', '--folder', run, ...small);

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly errors: string;
}

function start(args: readonly string[], stdout: 'pipe' | number = 'pipe'): ChildProcess {
  const loader = ['--conditions=@cria/source', '--import', join(root, 'scripts/run-source.mjs')];
  const cli = join(root, 'apps/trainer/src/cli.ts');
  return spawn(process.execPath, [...loader, cli, ...args], {
    cwd: folder,
    stdio: ['ignore', stdout, 'pipe'],
  });
}

function ended(child: ChildProcess): Promise<Ended> {
  let errors = '';
  child.stderr?.on('data', (text) => (errors += text));
  return new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, errors })));
}

/** Runs a command whose reader leaves after the first bytes. */
async function headed(...args: string[]): Promise<Ended> {
  const child = start(args);
  child.stdout?.once('data', () => child.stdout?.destroy());
  return ended(child);
}

const long = '1000000';
const commands: Record<string, string[]> = {
  inspect: ['inspect', run],
  'tokenizer encode': ['tokenizer', 'encode', '--tokenizer', tokenizer, '--pieces', book],
  'tokenizer inspect': ['tokenizer', 'inspect', '--tokenizer', tokenizer],
  sample: ['sample', '--model', run, '--count', long, '--max-tokens', '50'],
  help: ['help'],
  'print-config': ['train', '--print-config', '--data', data],
  convert: ['convert', run, join(folder, 'converted.gguf'), '--to', 'gguf'],
  train: ['train', '--data', data, '--steps', long, '--folder', join(folder, 'endless'), ...small],
};

describe('a reader that leaves ends', () => {
  it.each(Object.entries(commands))('%s, soon and without a stack', { timeout: 120_000 }, async (_, args) => {
    const { code, signal, errors } = await headed(...args);
    expect([code, signal]).toEqual([0, null]);
    expect(errors).not.toMatch(/EPIPE|ReaderGone|node:|^\s+at /m);
  });

  it('a run as Ctrl-C does: it is saved first, and goes on from there', { timeout: 120_000 }, async () => {
    const folder = join(temporaryFolder(), 'endless');
    const child = start(['train', '--data', data, '--steps', long, '--folder', folder, ...small]);
    child.stdout?.on('data', (text) => /held-out loss/.test(text) && child.stdout?.destroy());
    expect(await ended(child)).toMatchObject({ code: 0, errors: '' });
    expect(await listTrainingStates(join(folder, 'checkpoints'))).toHaveLength(1);
  });
});

it('a full disk behind stdout is one line, and exit code 1', { timeout: 60_000 }, async () => {
  if (!existsSync('/dev/full')) return;
  const full = openSync('/dev/full', 'w');
  const { code, errors } = await ended(start(['inspect', run], full));
  closeSync(full);
  expect(code).toBe(1);
  expect(errors.trim().split('\n')).toEqual([expect.stringMatching(/ENOSPC/)]);
});

it('a reader of stderr that leaves ends nothing', { timeout: 60_000 }, async () => {
  const child = start(['sample', '--model', run, '--max-tokens', '20', '--count', '3', '--temperature', '0']);
  child.stderr?.destroy();
  let out = '';
  child.stdout?.on('data', (text) => (out += text));
  const code = await new Promise((resolve) => child.on('close', resolve));
  expect(code).toBe(0);
  expect(out.endsWith('\n')).toBe(true);
});
