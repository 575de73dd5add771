import { closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { cria, small, temporaryFolder, texts } from './helpers.ts';

it(
  'a run whose newest state is damaged says so in one line, and goes on from the one before',
  { timeout: 120_000 },
  async () => {
    const [whole, run] = [join(temporaryFolder(), 'whole'), join(temporaryFolder(), 'run')];
    const data = texts();
    const train = (folder: string, ...more: string[]) =>
      cria(
        'train',
        '--data',
        data,
        '--steps',
        '12',
        '--folder',
        folder,
        ...small,
        '--set',
        'training.save_every=4',
        ...more,
      );
    expect((await train(whole)).code).toBe(0);
    expect((await train(run)).code).toBe(0);
    // As if the run had stopped before its end, and a byte of the disk had turned.
    const states = () => readdirSync(join(run, 'checkpoints')).sort();
    const newest = join(run, 'checkpoints', states().at(-1)!);
    const older = join(run, 'checkpoints', states().at(-2)!);
    unfinish(run);
    const weights = join(newest, 'model.safetensors');
    const file = openSync(weights, 'r+');
    writeSync(file, Buffer.from([readFileSync(weights)[5000]! ^ 1]), 0, 1, 5000);
    closeSync(file);

    const refused = await train(run);
    expect(refused.code).toBe(1);
    expect(refused.errors.trim().split('\n')).toHaveLength(1);
    expect(refused.errors.match(/hint:/g)).toHaveLength(1);
    expect(refused.errors.match(/\[\w+\]/g)).toHaveLength(1);
    for (const part of [newest, older, '--skip-damaged']) expect(refused.errors).toContain(part);

    const resumed = await train(run, '--skip-damaged');
    expect([resumed.code, resumed.errors]).toEqual([0, '']);
    expect(resumed.out).toContain(`left out ${newest}: `);
    expect(resumed.out).toContain('going on from step 8');
    const last = (folder: string) => {
      const names = readdirSync(join(folder, 'checkpoints')).sort();
      return readFileSync(join(folder, 'checkpoints', names.at(-1)!, 'model.safetensors'));
    };
    expect(last(run)).toEqual(last(whole));
    expect((await cria('sample', '--model', run, '--max-tokens', '2')).code).toBe(0);
  },
);

function unfinish(run: string): void {
  const path = join(run, 'run.json');
  const { finished: _, ...rest } = JSON.parse(readFileSync(path, 'utf8'));
  const text = JSON.stringify(rest);
  const file = openSync(path, 'w');
  writeSync(file, text);
  closeSync(file);
}
