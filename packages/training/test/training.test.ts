import { mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listTrainingStates, loadTrainingState } from '@cria/checkpoint';
import type { Device, HostArray, Recompute } from '@cria/tensor';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  measureSpeed,
  train,
  Trainer,
  type TrainingEvent,
  type TrainingOptions,
  type TrainingSource,
} from '../src/index.ts';
import { devices } from './devices.ts';
import { contextLength, tiedModel, tinyData, tinyModel, tinyOptions } from './tiny.ts';

interface Outcome {
  readonly weights: HostArray;
  readonly moments: HostArray;
  readonly losses: readonly number[];
}

/** Runs to the end (or the stop) and takes everything that must be equal. */
async function outcome(options: TrainingOptions): Promise<Outcome> {
  const losses: number[] = [];
  const onEvent = (event: TrainingEvent) => void (event.type === 'step' && losses.push(event.loss));
  using trainer = await Trainer.open({ ...options, onEvent });
  await trainer.run();
  const { values, states } = trainer.model.parameters;
  return {
    weights: await values.read(),
    moments: await states.get('exp_avg_sq').whole.read(),
    losses,
  };
}

/** Bits at one thread are those at two (the layers' tests), so one is enough in f32. */
const cases = devices.flatMap((device) =>
  (['f32', 'bf16'] as const)
    .filter((dtype) => dtype === 'bf16' || device.name !== 'cpu, 1 threads')
    .map((dtype) => ({ ...device, dtype })),
);

describe.each(cases)('training in $dtype on $name', ({ open, dtype }) => {
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

  it('learns: the loss falls well below that of a guess', async () => {
    const { losses } = await outcome(tinyOptions({ device, dtype, totalSteps: 40, learningRate: 1e-2 }));
    expect(losses[0]).toBeCloseTo(Math.log(31), 0);
    expect(losses.at(-1)).toBeLessThan(losses[0]! - 0.7);
  });

  it('continues bit for bit after a stop, whole runs and stopped ones alike', async () => {
    const whole = await outcome(tinyOptions({ device, dtype }));
    const options = tinyOptions({ device, dtype, checkpoints: folder });
    const resumed: number[] = [];
    for (let stopAt = 3; stopAt <= 12; stopAt += 4) {
      const controller = new AbortController();
      const onEvent = (event: TrainingEvent) => {
        if (event.type === 'step') resumed.push(event.loss);
        if (event.type === 'step' && event.step === stopAt) controller.abort();
      };
      const result = await train({ ...options, onEvent, signal: controller.signal });
      expect(result).toMatchObject({ status: 'stopped', step: stopAt });
    }
    const end = await outcome(options);
    expect([...resumed, ...end.losses]).toEqual(whole.losses);
    expect(end.weights).toEqual(whole.weights);
    expect(end.moments).toEqual(whole.moments);
  });

  it('gives the same bits for every split into micro-batches of whole row chunks', async () => {
    expect(contextLength % device.rowChunk).toBe(0);
    const run = (extra: Partial<TrainingOptions>) =>
      outcome(tinyOptions({ device, dtype, totalSteps: 3, ...extra }));
    const whole = await run({});
    for (const microBatchSize of [1, 2]) expect(await run({ microBatchSize })).toEqual(whole);
    // Both ends of a tied model add to one gradient.
    const tied = await run({ model: tiedModel });
    expect(await run({ model: tiedModel, microBatchSize: 1 })).toEqual(tied);
  });

  it('gives the same bits at every recompute level', async () => {
    const run = (recompute: Recompute) => outcome(tinyOptions({ device, dtype, totalSteps: 3, recompute }));
    const none = await run('none');
    expect(await run('selective')).toEqual(none);
    expect(await run('full')).toEqual(none);
  });

  it('changes no weight in an update that is not finite, and gives up after a row of them', async () => {
    using trainer = await Trainer.open(tinyOptions({ device, dtype, maxSkippedSteps: 2 }));
    const { parameters } = trainer.model;
    const before = await parameters.values.read();
    before[3] = NaN;
    parameters.values.write(new Uint8Array(before.buffer));
    expect(await trainer.update()).toMatchObject({
      step: 1,
      reason: expect.stringMatching(/loss is NaN over \d+ tokens/),
    });
    expect(await parameters.values.read()).toEqual(before);
    await expect(trainer.update()).rejects.toThrow(/2 updates in a row were not finite/);
  });

  it('refuses ids of another vocabulary before it computes with them', async () => {
    const { vocabSize } = tinyModel;
    const spoilt = (list: 'tokens' | 'targets', id: number): TrainingSource => ({
      contextLength,
      batch: (position, size) => {
        const batch = tinyData.batch(position, size);
        batch[list][70] = id;
        return batch;
      },
    });
    const bad: ['tokens' | 'targets', number][] = [
      ['tokens', vocabSize],
      ['tokens', 1e8],
      ['tokens', -1],
      ['tokens', -100],
      ['targets', vocabSize],
      ['targets', -2],
    ];
    for (const [list, id] of bad) {
      using trainer = await Trainer.open(tinyOptions({ device, dtype, data: spoilt(list, id) }));
      const before = await trainer.model.parameters.values.read();
      const message = `[llama.${list}] id ${id} of row 70 is outside a vocabulary of 31.`;
      await expect(trainer.update()).rejects.toThrow(message);
      expect(await trainer.model.parameters.values.read()).toEqual(before);
      using other = await Trainer.open(tinyOptions({ device, dtype, validation: { ...spoilt(list, id), length: 2 } })); // prettier-ignore
      await expect(other.evaluate()).rejects.toThrow(message);
    }
  });

  it('gives all its memory back, that of RoPE tables too', async () => {
    const run = async () => {
      using trainer = await Trainer.open(tinyOptions({ device, dtype }));
      await trainer.update();
    };
    await run();
    await measureSpeed(tinyOptions({ device, dtype }), 0.01);
    await device.flush();
    const { allocated } = device.memory; // what stays is the arena of steps
    for (let i = 0; i < 3; i++) await run();
    await measureSpeed(tinyOptions({ device, dtype }), 0.01);
    await expect(Trainer.open(tinyOptions({ device, dtype, beta1: 2 }))).rejects.toThrow('beta1 is 2');
    expect(device.memory.allocated).toBe(allocated);
  });

  it('evaluates the same held-out windows whatever the batch', async () => {
    const evaluate = async (microBatchSize: number) => {
      using trainer = await Trainer.open(
        tinyOptions({ device, dtype, validation: tinyData, microBatchSize }),
      );
      return await trainer.evaluate();
    };
    const [one, four] = [await evaluate(1), await evaluate(4)];
    expect(one!.tokens).toBe(5 * (contextLength - 2));
    expect(one!.loss).toBe(four!.loss);
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

  it('saves the state of its step while it goes on', async () => {
    const saved: number[] = [];
    const seen = new Map<number, HostArray>();
    using trainer = await Trainer.open(
      tinyOptions({
        device,
        dtype,
        checkpoints: folder,
        saveEvery: 3,
        keepLast: 9,
        onEvent: async (event) => {
          if (event.type === 'step') seen.set(event.step, await trainer.model.parameters.values.read());
          if (event.type === 'saved') saved.push(event.step);
        },
      }),
    );
    await trainer.run();
    expect(saved).toEqual([3, 6, 9, 12]);
    for (const { step, folder: state } of await listTrainingStates(folder)) {
      await (await loadTrainingState(state)).load(trainer.model.parameters);
      expect(await trainer.model.parameters.values.read()).toEqual(seen.get(step));
    }
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

  it('hears of the world between two steps', async () => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 20);
    const result = await train(
      tinyOptions({ device, dtype, totalSteps: 1_000_000, signal: controller.signal }),
    );
    expect(result.status).toBe('stopped');
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

describe.each(devices)('the dtype on $name', ({ open }) => {
  it('bf16 learns what f32 learns', async () => {
    using device = open();
    const run = async (dtype: 'f32' | 'bf16') => {
      using trainer = await Trainer.open(
        tinyOptions({ device, dtype, totalSteps: 60, learningRate: 1e-2, validation: tinyData }),
      );
      await trainer.run();
      return (await trainer.evaluate())!.loss;
    };
    const [wide, half] = [await run('f32'), await run('bf16')];
    expect(wide).toBeLessThan(Math.log(31) - 0.7);
    expect(Math.abs(half / wide - 1)).toBeLessThan(0.02);
  });

  it('auto is what the device prefers', async () => {
    using device = open();
    using trainer = await Trainer.open(tinyOptions({ device }));
    expect(trainer.options.dtype).toBe(device.preferredDType);
    expect(trainer.model.parameters.values.dtype).toBe('f32');
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
