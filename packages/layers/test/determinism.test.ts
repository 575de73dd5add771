import { type Abilities, type ComputeDType, type Device, reference, ReferenceDevice } from '@cria/tensor';
import { describe, expect, test } from 'vitest';
import { llamaConfig } from '../src/index.ts';
import { devices } from './support/devices.ts';
import { makeLlama, randomWeights, trainingStep } from './support/models.ts';
import { expectClose, randomIds } from './support/numbers.ts';
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

async function train(device: Device, parts: readonly Part[], dtype: ComputeDType = 'f32') {
  using model = makeLlama(config, device, weights, { dtype, gradients: true });
  const losses: number[] = [];
  for (const { start, end, segments } of parts) {
    const batch = { tokens: tokens.slice(start, end), targets: targets.slice(start, end) };
    losses.push(...(await trainingStep(model, batch, { dtype, segments })).losses);
  }
  return { losses, gradients: await model.parameters.gradients.toFloat32() };
}

const whole: readonly Part[] = [{ start: 0, end: rows, segments: [0, 64, 100, 192] }];

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

  test.each(['f32', 'bf16'] as const)(
    'micro-batches of %s cut at multiples of the chunk have the same bits',
    async (dtype) => {
      using device = open();
      expect(64 % device.rowChunk).toBe(0);
      const parts = [
        { start: 0, end: 64, segments: [0, 64] },
        { start: 64, end: 192, segments: [0, 36, 128] },
      ];
      expect(await train(device, parts, dtype)).toEqual(await train(device, whole, dtype));
    },
  );

  test('other cuts, and documents run one by one, agree within rounding', async () => {
    using device = open();
    const [one, many] = [
      await train(device, whole),
      await train(device, [
        { start: 0, end: 64, segments: [0, 64] },
        { start: 64, end: 100, segments: [0, 36] },
        { start: 100, end: 192, segments: [0, 92] },
      ]),
    ];
    // Rows do not depend on their neighbours, so losses agree in every bit.
    expect(many.losses).toEqual(one.losses);
    expectClose(many.gradients, one.gradients, 1e-6, 'gradients');
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
