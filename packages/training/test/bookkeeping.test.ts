/* What a run does with its files, events and options, which no device and no type of numbers changes. */
import { mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadTrainingState } from '@cria/checkpoint';
import type { Device } from '@cria/tensor';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { measureSpeed, train, Trainer, type TrainingEvent, type TrainingOptions } from '../src/index.ts';
import { cases, devices } from './devices.ts';
import { contextLength, tinyData, tinyOptions } from './tiny.ts';

/** The last is what people train with; `npm run test:isas` takes every one. */
const usual = process.env.CRIA_HEAVY ? cases : cases.slice(-1);

describe.each(usual)('a run in $dtype on $name', ({ open, dtype }) => {
  let device: Device;
  let folder: string;
  beforeEach(() => {
    device = open();
    folder = mkdtempSync(join(tmpdir(), 'cria-training-'));
  });
  afterEach(() => {
    device[Symbol.dispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  it('looks at fewer windows within the run than at its end', async () => {
    const seen: [number, number][] = [];
    const onEvent = (event: TrainingEvent) =>
      void (event.type === 'evaluation' && seen.push([event.step, event.tokens]));
    const plan = { totalSteps: 6, evaluateEvery: 2, evaluationSamples: 3, microBatchSize: 2 };
    await train(tinyOptions({ device, dtype, validation: tinyData, ...plan, onEvent }));
    const tokens = contextLength - 2;
    expect(seen).toEqual([
      [2, 3 * tokens],
      [4, 3 * tokens],
      [6, 5 * tokens],
    ]);
  });

  it('keeps as many states as it is told and none that is not needed', async () => {
    await train(tinyOptions({ device, dtype, checkpoints: folder, saveEvery: 2, keepLast: 3 }));
    expect(readdirSync(folder).sort()).toEqual(['step-00000008', 'step-00000010', 'step-00000012']);
  });

  it('keeps every n-th state for good, beside the last', async () => {
    const plan = { checkpoints: folder, saveEvery: 1, keepLast: 1, keepEvery: 5 };
    await train(tinyOptions({ device, dtype, ...plan }));
    expect(readdirSync(folder).sort()).toEqual(['step-00000005', 'step-00000010', 'step-00000012']);
  });

  it('ends with the error of a save that failed meanwhile, and the state before it is whole', async () => {
    const aside = `${folder}-aside`;
    const run = (failAt: number) =>
      train(
        tinyOptions({
          device,
          dtype,
          checkpoints: folder,
          saveEvery: 4,
          onEvent: (event) => {
            if (event.type !== 'saved' || event.step !== failAt) return;
            renameSync(folder, aside);
            writeFileSync(folder, 'in the way');
          },
        }),
      );
    for (const failAt of [4, 8]) {
      // The next save fails: in the middle of the run, and at its end.
      await expect(run(failAt)).rejects.toThrow(
        /\[saveTrainingState\] cannot save step (8|12) below .*\((EEXIST|ENOTDIR)\)/,
      );
      rmSync(folder);
      renameSync(aside, folder);
      expect((await loadTrainingState(folder)).step).toBe(failAt);
    }
  });

  it('refuses to resume another run', async () => {
    await train(
      tinyOptions({ device, dtype, checkpoints: folder, totalSteps: 3, fingerprints: { data: 'aaa' } }),
    );
    const again = (extra: Partial<TrainingOptions>) =>
      train(
        tinyOptions({
          device,
          dtype,
          checkpoints: folder,
          totalSteps: 3,
          fingerprints: { data: 'aaa' },
          ...extra,
        }),
      );
    await expect(again({ fingerprints: { data: 'bbb' } })).rejects.toThrow(/data aaa, this one bbb/);
    await expect(again({ dtype: dtype === 'f32' ? 'bf16' : 'f32' })).rejects.toThrow(
      /saved run has settings/,
    );
    await expect(again({ learningRate: 1 })).rejects.toThrow(/hint: resume with the same configuration/);
    await expect(again({})).resolves.toMatchObject({ status: 'finished' });
  });

  it('measures speed without touching anything', async () => {
    // A clock that shows `tick` seconds more at every look. A step takes two looks of its own and two of the trainer's.
    const measure = (tick: number) => {
      let time = 0;
      const now = () => (time += tick);
      return measureSpeed(tinyOptions({ device, dtype, checkpoints: folder, now }), 1);
    };
    expect(await measure(1)).toMatchObject({ steps: 1 }); // slow: one to warm up, one to measure
    expect((await measure(0.1)).steps).toBe(3); // five, of which two warm up
    const fast = await measure(0.01);
    expect(fast.steps).toBeGreaterThan(10);
    expect(fast.secondsPerStep).toBeCloseTo(0.03, 10);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('options', () => {
  const device = devices[0]!.open();
  it.each([
    [{ totalStep: 3 }, 'did you mean "totalSteps"?'],
    [{ batchSize: 6, microBatchSize: 4 }, 'microBatchSize 4 does not divide batchSize 6'],
    [{ totalSteps: 0 }, 'totalSteps is 0'],
    [{ dtype: 'q8_0' }, 'reference does not compute in q8_0. hint: give auto, or one of f32'],
    [{ keepEvery: 0.5 }, 'keepEvery is 0.5'],
    [{ learningRate: NaN }, 'learningRate is NaN'],
    [{ warmupSteps: 12 }, 'warmupSteps is 12 of 12'],
    [
      { data: { ...tinyData, contextLength: 128 } },
      "samples of data have 128 tokens, the model's context 64",
    ],
    [
      { validation: { ...tinyData, contextLength: 128 } },
      "samples of validation have 128 tokens, the model's context 64",
    ],
    [
      { data: { ...tinyData, vocabSize: 32 } },
      'data has a vocabulary of 32, the model one of 31. hint: was another tokenizer used?',
    ],
    [{ validation: { ...tinyData, vocabSize: 32 } }, 'validation has a vocabulary of 32'],
  ])('%o is refused', async (extra, message) => {
    await expect(Trainer.open({ ...tinyOptions({ device }), ...(extra as object) })).rejects.toThrow(message);
  });
});
