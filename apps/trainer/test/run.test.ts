import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cpuAvailability } from '@cria/cpu';
import { describe, expect, it } from 'vitest';
import { readHistory } from '../src/metrics/metrics.ts';
import { cria, small, temporaryFolder, texts } from './helpers.ts';

/** The plain device is slow: it trains for a tenth of the updates, and has only to leave the guess behind. */
const devices = [
  { device: 'reference', steps: 30, below: Math.log(400) },
  ...(cpuAvailability().available ? [{ device: 'cpu', steps: 400, below: undefined }] : []),
];

describe.each(devices)('a run on $device', ({ device, steps, below }) => {
  const data = texts();
  const folder = join(temporaryFolder(), 'run');
  const args = ['--data', data, ...small, '--device', device, '--folder', folder];
  const whole = [...args, '--steps', String(steps), '--set', 'training.learning_rate=0.005'];

  it('goes from texts to a model that has learned', async () => {
    const { code, out, errors } = await cria('train', ...whole);
    expect(errors).toBe('');
    expect(code).toBe(0);
    const [, loss] = /held-out loss ([\d.]+) nats/.exec(out)!;
    const [, unigram] = /unigram model of the same tokens: ([\d.]+)/.exec(out)!;
    expect(Number(loss)).toBeLessThan(below ?? Number(unigram));
    expect(readdirSync(folder).sort()).toEqual([
      'checkpoints',
      'config.yaml',
      'data',
      'loss.svg',
      'metrics.jsonl',
      'run.json',
      'samples.txt',
      'tensorboard',
      'tokenizer.model',
    ]);
    expect(readdirSync(join(folder, 'checkpoints')).length).toBe(2);
    expect(readFileSync(join(folder, 'loss.svg'), 'utf8')).toMatch(/^<svg[^]*<\/svg>\n?$/);
    const { train, validation } = readHistory(folder);
    expect(train.map(({ step }) => step)).toEqual(Array.from({ length: steps }, (_, i) => i + 1));
    expect(validation.at(-1)!.loss.toFixed(3)).toBe(loss);
  });

  it('finds the finished run again and trains nothing', async () => {
    const before = readFileSync(join(folder, 'run.json'), 'utf8');
    const { code, out } = await cria('train', ...whole);
    expect(code).toBe(0);
    expect(out).toBe(`found the finished run ${folder}\n`);
    expect(readFileSync(join(folder, 'run.json'), 'utf8')).toBe(before);
  });

  it('refuses the folder for another configuration, with what to do', async () => {
    const { code, errors } = await cria('train', ...args, '--steps', String(steps + 1));
    expect(code).toBe(1);
    expect(errors).toMatch(
      /^\[run\] .*holds a run of another configuration or other data\. hint: choose another folder/,
    );
  });

  it('samples the same text for the same seed', async () => {
    const sample = (seed: string) =>
      cria(
        'sample',
        '--model',
        folder,
        '--prompt',
        'The',
        '--max-tokens',
        '20',
        '--device',
        device,
        '--seed',
        seed,
      );
    const [first, again, other] = [await sample('3'), await sample('3'), await sample('4')];
    expect(first.code).toBe(0);
    expect(first.out).toMatch(/^The/);
    expect(first.errors).toMatch(/\d+ tokens, \d+ tokens\/s/);
    expect(again.out).toBe(first.out);
    expect(other.out).not.toBe(first.out);
  });
});

describe('the length of a run', () => {
  it('is measured once, saved, and not measured again', async () => {
    const folder = join(temporaryFolder(), 'run');
    const args = ['train', '--data', texts(), ...small, '--minutes', '0.02', '--folder', folder];
    const { out, code, errors } = await cria(...args);
    expect(errors).toBe('');
    expect(code).toBe(0);
    expect(out).toContain('measuring the speed');
    const { steps } = JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8')) as { steps: number };
    expect(steps).toBeGreaterThanOrEqual(10);
    expect(existsSync(join(folder, 'checkpoints', `step-${String(steps).padStart(8, '0')}`))).toBe(true);
    expect((await cria(...args)).out).not.toContain('measuring');
  });
});

describe('what a run computes in', () => {
  it.each(['f32', 'bf16'])('%s, from the flag to the run and its saved weights', async (dtype) => {
    const folder = join(temporaryFolder(), 'run');
    const args = ['train', '--data', texts(), ...small, '--steps', '6', '--folder', folder];
    const { out, code, errors } = await cria(...args, '--dtype', dtype);
    expect(errors).toBe('');
    expect(code).toBe(0);
    expect(out).toMatch(new RegExp(`^numbers +${dtype}${dtype === 'bf16' ? ' with f32 masters' : ''}$`, 'm'));
    const run = JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8')) as { dtype: string };
    expect(run.dtype).toBe(dtype);
    // Masters are saved, so a state in f32 either way.
    const weights = join(folder, 'checkpoints', 'step-00000006', 'model.safetensors');
    expect(readFileSync(weights).subarray(8, 400).toString('latin1')).toContain('"F32"');
  });

  it('is refused by name where it is none', async () => {
    const { code, errors } = await cria('train', '--data', texts(), ...small, '--dtype', 'fp8');
    expect(code).toBe(1);
    expect(errors).toMatch(/--dtype is "fp8"\. hint: .*give auto, f32, bf16/);
  });
});

describe('data and tokenizer by themselves', () => {
  it('makes a tokenizer, then shards that name it, and a run can use the tokenizer', async () => {
    const place = temporaryFolder();
    const [tokenizer, shards, data] = [join(place, 'tokenizer.model'), join(place, 'shards'), texts()];
    expect(
      (await cria('tokenizer', 'train', '--data', data, '--vocab-size', '500', '--out', tokenizer)).code,
    ).toBe(0);
    const prepared = await cria('data', 'prepare', '--data', data, '--tokenizer', tokenizer, '--out', shards);
    expect(prepared.errors).toBe('');
    expect(prepared.out).toMatch(/tokens to train on/);
    expect(existsSync(join(shards, 'manifest.json'))).toBe(true);
    const run = join(place, 'run');
    const given = ['--set', `tokenizer.path=${tokenizer}`];
    expect(
      (await cria('train', '--data', data, ...small, ...given, '--steps', '2', '--folder', run)).errors,
    ).toBe('');
    expect(readFileSync(join(run, 'tokenizer.model'))).toEqual(readFileSync(tokenizer));
  });
});

describe('doctor', () => {
  it('prints device, instruction set, threads and the reason', async () => {
    const { out, code } = await cria('doctor');
    expect(code).toBe(0);
    expect(out).toMatch(/^device +(cpu \((native|wasm)\)|reference)/m);
    expect(out).toMatch(/^processor .* threads$/m);
    expect(out).toMatch(/^training in +(bf16 with f32 masters|f32)/m);
    expect(out).toMatch(/^reason +\S/m);
    if (cpuAvailability().available)
      expect(out).toMatch(/^instruction set +(avx512|avx2|baseline|neon|wasm)/m);
  });
});
