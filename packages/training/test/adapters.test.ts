import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type BaseModel,
  baseModelOf,
  convertCheckpoint,
  loadTrainingState,
  mapWeights,
  openCheckpoint,
  saveHuggingFace,
} from '@cria/checkpoint';
import { Linear, type LinearLayer, type LinearOptions, Llama } from '@cria/layers';
import { AdamW, constantSchedule } from '@cria/optimizers';
import {
  dequantize,
  type Device,
  type Parameter,
  quantize,
  reference,
  type Step,
  type Tensor,
} from '@cria/tensor';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Batch, nextToken, Trainer, type TrainingEvent, type TrainingOptions } from '../src/index.ts';
import { devices } from './devices.ts';
import { tinyData, tinyModel, tinyOptions } from './tiny.ts';

const RANK = 4;
/** Rows of whole blocks of Q8_0. */
const model = { ...tinyModel, dim: 32, ffnDim: 64, headDim: 16 };

/** y = x·wᵀ + (x·aᵀ)·bᵀ, w frozen (Hu et al. 2021).                        a: [R, C]   b: [N, R] */
class LowRank implements LinearLayer {
  readonly weight: Parameter;
  readonly #base: Linear;
  readonly #a: Linear;
  readonly #b: Linear;

  constructor(options: LinearOptions) {
    const { parameters, name, inFeatures, outFeatures } = options;
    const part = (suffix: string, from: number, to: number) =>
      new Linear({
        parameters: parameters!,
        name: `${name}.${suffix}`,
        inFeatures: from,
        outFeatures: to,
        std: 0.1,
      });
    this.#base = new Linear(options);
    this.#a = part('lora_a', inFeatures, RANK);
    this.#b = part('lora_b', RANK, outFeatures);
    this.weight = this.#base.weight;
  }

  forward(x: Tensor, step: Step, residual?: Tensor): Tensor {
    const low = this.#a.forward(x, step);
    const base = this.#base.forward(x, step, residual);
    const y = this.#b.forward(low, step, base);
    step.release(low, base);
    return y;
  }

  backward(dy: Tensor, step: Step, into?: Tensor): Tensor {
    const dlow = this.#b.backward(dy, step);
    const dx = this.#base.backward(dy, step, into);
    this.#a.backward(dlow, step, dx);
    step.release(dlow);
    return dx;
  }

  pack(): void {
    this.#base.pack();
  }

  free(): void {
    this.#base.free();
  }
}

type Form = 'q8_0' | 'packed' | 'f32';

/**
 * A model whose blocks have adapters over a base of the same numbers, as blocks of Q8_0, packed or
 * not, or as f32; the ends of the model too.
 */
async function adapted(device: Device, form: Form, tiedEmbeddings: boolean): Promise<Llama> {
  const config = { ...model, tiedEmbeddings };
  const llama = new Llama(config, { device, factories: { linear: adapter } });
  using maker = reference();
  const base = new Llama(config, { device: maker });
  base.parameters.allocate();
  base.parameters.initialize(3);
  for (const { name, value, shape } of base.parameters.parameters) {
    const values = await value.toFloat32();
    const parameter = llama.parameters.get(name)!;
    if (shape.length < 2) {
      parameter.value = device.tensor(values, shape, 'f32');
      continue;
    }
    const blocks = new Uint8Array((values.length / 32) * 34);
    quantize('q8_0', values, shape[1]!, blocks);
    dequantize('q8_0', blocks, values);
    const plain = form === 'f32' ? device.tensor(values, shape, 'f32') : device.tensor(blocks, shape, 'q8_0');
    // Rows of a table are looked up as they are stored.
    parameter.value = form === 'packed' && name !== 'tok_embeddings.weight' ? device.pack(plain) : plain;
  }
  return llama;
}

const adapter = (options: LinearOptions) =>
  options.part === 'output' ? new Linear(options) : new LowRank(options);

async function losses(options: TrainingOptions): Promise<{ losses: number[]; adapters: Float32Array }> {
  const seen: number[] = [];
  const onEvent = (event: TrainingEvent) => void (event.type === 'step' && seen.push(event.loss));
  using trainer = await Trainer.open({ ...options, onEvent });
  await trainer.run();
  return { losses: seen, adapters: await trainer.model.parameters.values.toFloat32() };
}

describe.each(devices)('adapters on $name', ({ name, open }) => {
  it.each([
    ['a model', false],
    ['a model with tied embeddings', true],
  ])(
    'are trained over %s of blocks as over the numbers it stands for, and the base stays',
    async (_, tied) => {
      using device = open();
      const run = async (form: Form) => {
        const llama = await adapted(device, form, tied);
        const wq = llama.parameters.get('layers.0.attention.wq.weight')!;
        const ends = ['tok_embeddings.weight', ...(tied ? [] : ['output.weight'])];
        for (const end of ends)
          expect(llama.parameters.get(end)!.value.dtype).toBe(form === 'f32' ? 'f32' : 'q8_0');
        const result = await losses(
          tinyOptions({ device, model: llama, dtype: 'f32', totalSteps: 6, learningRate: 1e-2 }),
        );
        expect([wq.frozen, wq.value.dtype]).toEqual([true, form === 'f32' ? 'f32' : 'q8_0']);
        return result;
      };
      const [wide, blocks, packed] = [await run('f32'), await run('q8_0'), await run('packed')];
      expect(packed).toEqual(blocks);
      expect(wide.losses.at(-1)).toBeLessThan(wide.losses[0]! - 0.02);
      // The reference device makes numbers of blocks; others round the rows of a product to 8 bits.
      if (name === 'reference') return expect(blocks).toEqual(wide);
      blocks.losses.forEach((loss, i) => expect(Math.abs(loss - wide.losses[i]!)).toBeLessThan(5e-3));
    },
  );
});

/** A model in blocks of Q8_0, as a GGUF file. */
async function quantisedBase(seed: number): Promise<{ readonly path: string; readonly base: BaseModel }> {
  const folder = mkdtempSync(join(tmpdir(), 'cria-base-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  using device = reference();
  using whole = new Llama(model, { device });
  whole.parameters.allocate();
  whole.parameters.initialize(seed);
  await saveHuggingFace(join(folder, 'plain'), model, whole.parameters);
  const path = join(folder, 'base.gguf');
  await convertCheckpoint(await openCheckpoint(join(folder, 'plain')), path, {
    to: 'gguf',
    quantize: 'q8_0',
  });
  return { path, base: await baseModelOf(await openCheckpoint(path)) };
}

describe.each(devices)('a run over a quantised base on $name', ({ open }) => {
  it('that was stopped goes on with the same bits, from an adapter alone that belongs to its base', async () => {
    using device = open();
    const { path, base } = await quantisedBase(3);
    const root = mkdtempSync(join(tmpdir(), 'cria-adapters-'));
    onTestFinished(() => rmSync(root, { recursive: true, force: true }));
    const run = async (extra: Partial<TrainingOptions>, at = path) => {
      const checkpoint = await openCheckpoint(at);
      const llama = new Llama(model, { device, factories: { linear: adapter } });
      using weights = await mapWeights(checkpoint, llama.parameters, {
        keep: [...device.abilities.weights],
        parameters: ({ name }) => checkpoint.tensors.has(name),
      });
      expect(weights.mappedBytes > 0).toBe(device.abilities.mapFile !== undefined);
      expect(llama.parameters.get('output.weight')!.value.dtype).toBe('q8_0');
      return await losses(
        tinyOptions({ device, model: llama, dtype: 'f32', totalSteps: 6, learningRate: 1e-2, ...extra }),
      );
    };
    const uninterrupted = await run({});
    const stop = new AbortController();
    const first = await run({
      base,
      checkpoints: root,
      signal: stop.signal,
      data: {
        ...tinyData,
        batch: (position, size) => (position >= 2 * 4 && stop.abort(), tinyData.batch(position, size)),
      },
    });
    expect(first.losses).toHaveLength(3);

    const state = await loadTrainingState(root);
    const others = [
      'config.json',
      'manifest.json',
      'optimizer.safetensors',
      'state.json',
      'trained.safetensors',
    ];
    expect(readdirSync(state.folder).sort()).toEqual(others);
    expect(state.base).toEqual(base);
    expect([...state.checkpoint.tensors.keys()].every((name) => /lora_[ab]/.test(name))).toBe(true);
    await expect(openCheckpoint(root)).rejects.toThrow('holds what was trained over the base');

    const other = await quantisedBase(4);
    await expect(run({ base: other.base, checkpoints: root }, other.path)).rejects.toThrow(
      `was trained over the base ${path} (${base.hash.slice(0, 12)}), not over ${other.path} (`,
    );
    await expect(run({ checkpoints: root })).rejects.toThrow('is frozen and was given its value');

    const resumed = await run({ base, checkpoints: root });
    expect([...first.losses, ...resumed.losses]).toEqual(uninterrupted.losses);
    expect(Buffer.from(resumed.adapters.buffer)).toEqual(Buffer.from(uninterrupted.adapters.buffer));
  }, 60_000);

  it('that has an adapter on its output is refused by name', async () => {
    using device = open();
    const linear = (options: LinearOptions) => new LowRank(options);
    expect(() => new Llama(model, { device, factories: { linear } })).toThrow(
      '[linearCrossEntropy] the output layer takes no cross entropy.',
    );
  });
});

describe.each(devices)('what a trainer is made of, on $name', ({ open }) => {
  it('an optimizer and a schedule of the caller are those that it has by itself, where they are the same', async () => {
    using device = open();
    const plain = await losses(
      tinyOptions({ device, totalSteps: 4, warmupSteps: 0, finalLearningRateRatio: 1 }),
    );
    const own = await losses(
      tinyOptions({
        device,
        totalSteps: 4,
        warmupSteps: 0,
        optimizer: (parameters) => new AdamW(parameters, { weightDecay: 0.1 }),
        schedule: constantSchedule({ maxLearningRate: 3e-3 }),
        objective: nextToken,
        trainable: () => true,
      }),
    );
    expect(own).toEqual(plain);
  });

  it('rows of weight 0 are rows without a target, and a weight of 1 is none', async () => {
    using device = open();
    const withWeights = (weigh: (t: number) => number) => ({
      ...tinyData,
      batch(position: number, size: number): Batch {
        const batch = tinyData.batch(position, size);
        return { ...batch, weights: Float32Array.from(batch.targets, (_, t) => weigh(t)) };
      },
    });
    const masked = {
      ...tinyData,
      batch(position: number, size: number): Batch {
        const batch = tinyData.batch(position, size);
        return { ...batch, targets: batch.targets.map((target, t) => (t % 3 === 0 ? -100 : target)) };
      },
    };
    const run = (data: TrainingOptions['data']) => losses(tinyOptions({ device, data, totalSteps: 3 }));
    expect(await run(withWeights(() => 1))).toEqual(await run(tinyData));
    expect(await run(withWeights((t) => (t % 3 === 0 ? 0 : 1)))).toEqual(await run(masked));
    // The mean by weights does not know their unit.
    const halves = await run(withWeights(() => 0.5));
    expect(halves.losses[0]).toBeCloseTo((await run(tinyData)).losses[0]!, 5);
    await expect(run(withWeights((t) => (t === 70 ? NaN : 1)))).rejects.toThrow(
      '[train] a row has weight NaN.',
    );
  });

  it('only what is trainable changes', async () => {
    using device = open();
    using trainer = await Trainer.open(
      tinyOptions({ device, totalSteps: 3, trainable: ({ name }) => name.includes('feed_forward') }),
    );
    const { parameters } = trainer.model;
    const before = new Map<string, ArrayLike<number>>();
    for (const { name, value } of parameters.parameters) before.set(name, await value.read());
    await trainer.run();
    for (const { name, value } of parameters.parameters) {
      const same = expect(await value.read(), name);
      if (name.includes('feed_forward')) same.not.toEqual(before.get(name));
      else same.toEqual(before.get(name));
    }
    await expect(Trainer.open(tinyOptions({ device, trainable: () => false }))).rejects.toThrow(
      'no parameter is trainable',
    );
  });
});
