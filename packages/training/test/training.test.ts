import { mkdtempSync, rmSync } from 'node:fs';
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
import { cases, devices } from './devices.ts';
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
      using other = await Trainer.open(
        tinyOptions({ device, dtype, validation: { ...spoilt(list, id), length: 2 } }),
      );
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

  it('hears of the world between two steps', async () => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 20);
    const result = await train(
      tinyOptions({ device, dtype, totalSteps: 1_000_000, signal: controller.signal }),
    );
    expect(result.status).toBe('stopped');
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
