import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readHistory } from '../src/metrics/metrics.ts';
import { root, small, temporaryFolder, texts } from './helpers.ts';

const data = texts();
const steps = 300;

/** `cria train` as a process; it gets `signal` once it says that it is at or past a step. */
function train(folder: string, signal?: 'SIGINT' | 'SIGTERM'): Promise<{ code: number | null; out: string }> {
  const child = spawn(
    process.execPath,
    [
      '--conditions=@cria/source',
      '--import',
      join(root, 'scripts/run-source.mjs'),
      join(root, 'apps/trainer/src/cli.ts'),
      'train',
      '--data',
      data,
      '--steps',
      String(steps),
      '--folder',
      folder,
      ...small,
    ],
    { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let out = '';
  let sent = false;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
    if (signal === undefined || sent || !/held-out loss/.test(text)) return;
    sent = true;
    child.kill(signal);
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out })));
}

function weights(folder: string): Buffer {
  const newest = readdirSync(join(folder, 'checkpoints')).sort().at(-1)!;
  expect(newest).toBe(`step-${String(steps).padStart(8, '0')}`);
  const state = join(folder, 'checkpoints', newest);
  return readFileSync(
    join(
      state,
      readdirSync(state).find((name) => name.endsWith('.safetensors'))!,
    ),
  );
}

describe('a stopped run', () => {
  it('saves, exits with 0, and goes on to the same bits as one that was not stopped', async () => {
    const [whole, stopped] = [join(temporaryFolder(), 'whole'), join(temporaryFolder(), 'stopped')];
    expect((await train(whole)).code).toBe(0);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      const { code, out } = await train(stopped, signal);
      expect(out).toMatch(
        new RegExp(`${signal}: saving and stopping[^]*stopped at step \\d+; the same command goes on`),
      );
      expect(code).toBe(0);
    }
    const last = await train(stopped);
    expect(last.out).toMatch(/going on from step [1-9]\d*/);
    expect(last.code).toBe(0);
    expect(weights(stopped).equals(weights(whole))).toBe(true);
    const losses = (folder: string) => readHistory(folder).train.map(({ step, loss }) => [step, loss]);
    expect(losses(stopped)).toEqual(losses(whole));
  });
});
