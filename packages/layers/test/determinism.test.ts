import { type Abilities, type ComputeDType, type Device, reference, ReferenceDevice } from '@cria/tensor';
import { describe, expect, test } from 'vitest';
import { llamaConfig } from '../src/index.ts';
import { devices } from './support/devices.ts';
import { makeLlama, randomWeights, trainingStep } from './support/models.ts';
import { expectClose, randomIds, sum } from './support/numbers.ts';
import { type Chunk, lastLogits, TestCache } from './support/paged-cache.ts';

/** Odd widths, and more rows than one chunk, so that tiles and chunks are cut in every way. */
const config = llamaConfig({
  dim: 40,
  nLayers: 2,
  nHeads: 5,
  nKvHeads: 1,
  headDim: 8,
  ffnDim: 52,
  vocabSize: 71,
  contextLength: 256,
});
const rows = 192;
const tokens = randomIds(rows, 1, 71);
const targets = randomIds(rows, 2, 71);
const weights = randomWeights(config, reference());

interface Part {
  readonly start: number;
  readonly end: number;
  /** Relative to start. */
  readonly segments: readonly number[];
}

async function train(
  device: Device,
  parts: readonly Part[],
  dtype: ComputeDType = 'f32',
  { tied = false, gradients = true as boolean | 'borrowed' } = {},
) {
  const shape = { ...config, tiedEmbeddings: tied };
  using model = makeLlama(shape, device, weights, { dtype, gradients });
  const losses: number[] = [];
  for (const { start, end, segments } of parts) {
    const batch = { tokens: tokens.slice(start, end), targets: targets.slice(start, end) };
    losses.push(...(await trainingStep(model, batch, { dtype, segments })).losses);
  }
  const all: Record<string, Float32Array> = {};
  for (const { name, grad } of model.parameters.parameters) all[name] = await grad.toFloat32();
  return { losses, gradients: all };
}

const whole: readonly Part[] = [{ start: 0, end: rows, segments: [0, 64, 100, 128, 192] }];

/** Storages of 512 KiB at most, tensors at multiples of 256 bytes: what a GPU in a browser asks for, in small. */
class LimitedDevice extends ReferenceDevice {
  override readonly abilities: Abilities = {
    ...reference().abilities,
    storageLimit: 1 << 19,
    offsetAlignment: 256,
  };
}

test('a device with small storages and coarse offsets trains to the same bits', async () => {
  using plain = reference();
  using limited = new LimitedDevice();
  expect(await train(limited, whole)).toEqual(await train(plain, whole));
  expect(limited.memory.peak).toBeGreaterThan(2 * limited.abilities.storageLimit);
});

describe.each(devices)('on $name', ({ open }) => {
  test.each(['f32', 'bf16'] as const)(
    'training in %s has the same bits at any number of threads',
    async (dtype) => {
      const results = [];
      for (const threads of [1, 2, 3]) {
        using device = open(threads);
        results.push(await train(device, whole, dtype));
      }
      expect(results[1]).toEqual(results[0]);
      expect(results[2]).toEqual(results[0]);
    },
  );

  const cut = (...lengths: number[]): Part[] => {
    const ends = lengths.map((_, i) => sum(lengths.slice(0, i + 1)));
    return ends.map((end, i) => {
      const start = end - lengths[i]!;
      const within = [64, 100, 128].filter((row) => row > start && row < end).map((row) => row - start);
      return { start, end, segments: [0, ...within, end - start] };
    });
  };
  // An output layer that is the embedding too adds to one gradient from two ends of the model.
  test.each([
    ['f32', false, true],
    ['bf16', false, true],
    ['f32', true, true],
    ['f32', true, 'borrowed'],
    ['bf16', true, 'borrowed'],
  ] as const)(
    'micro-batches of %s cut at multiples of the chunk have the same bits (tied %s, gradients %s)',
    async (dtype, tied, gradients) => {
      using device = open();
      expect(64 % device.rowChunk).toBe(0);
      const one = await train(device, whole, dtype, { tied, gradients });
      for (const lengths of [
        [64, 128],
        [128, 64],
        [64, 64, 64],
      ])
        expect(await train(device, cut(...lengths), dtype, { tied, gradients })).toEqual(one);
    },
  );

  test('other cuts, and documents run one by one, agree within rounding', async () => {
    using device = open();
    const [one, many] = [
      await train(device, whole),
      await train(device, [
        { start: 0, end: 64, segments: [0, 64] },
        { start: 64, end: 100, segments: [0, 36] },
        { start: 100, end: 192, segments: [0, 28, 92] },
      ]),
    ];
    // Rows do not depend on their neighbours, so losses agree in every bit.
    expect(many.losses).toEqual(one.losses);
    for (const [name, gradient] of Object.entries(one.gradients))
      expectClose(many.gradients[name]!, gradient, 1e-6, name);
  });

  test('logits do not depend on the batch, nor on how the prompt was cut', async () => {
    using device = open();
    const model = makeLlama(config, device, weights);
    const prompts = [83, 5, 1, 40].map((length, i) => Array.from(randomIds(length, 10 + i, 71)));
    const together = new TestCache(device, config, prompts.length, 16);
    const chunks = prompts.map((tokens, sequence) => ({ sequence, tokens }));
    const prefilled = await lastLogits(model, chunks, together.append(chunks));
    const next = prompts.map((_, sequence) => ({ sequence, tokens: [sequence + 7] }));
    const decoded = await lastLogits(model, next, together.append(next));
    for (const [sequence, prompt] of prompts.entries()) {
      const alone = new TestCache(device, config, 1, 16);
      const run = (tokens: readonly number[]) => {
        const chunk: Chunk[] = [{ sequence: 0, tokens }];
        return lastLogits(model, chunk, alone.append(chunk));
      };
      const cut = Math.ceil(prompt.length / 3);
      if (prompt.length > cut) await run(prompt.slice(0, prompt.length - cut));
      expect(await run(prompt.slice(-cut))).toEqual([prefilled[sequence]]);
      expect(await run([sequence + 7])).toEqual([decoded[sequence]]);
    }
  });
});
