import { type Device, openStep, reference } from '@cria/tensor';
import { describe, expect, test } from 'vitest';
import type { Llama } from '../src/index.ts';
import { devices } from './support/devices.ts';
import { makeLlama, randomWeights, shapes } from './support/models.ts';
import { randomArray, randomIds } from './support/numbers.ts';
import { type Chunk, lastLogits, TestCache } from './support/paged-cache.ts';

/** As `lastLogits`, by `predict`. */
async function predicted(model: Llama, chunks: readonly Chunk[], cache: TestCache): Promise<number[][]> {
  const view = cache.append(chunks);
  const ids = chunks.flatMap(({ tokens }) => tokens);
  using step = openStep(model.device, { rows: ids.length, cache: view });
  const ends = chunks.map((_, i) => Number(view.queryStarts[i + 1]) - 1);
  const logits = model.predict(ids, step, ends);
  const later = step.empty([4]).write([1, 2, 3, 4]);
  const into = new Float32Array(logits.size + 1);
  await logits.readInto(into);
  // What a step allocates afterwards lies elsewhere.
  expect(await later.toFloat32()).toEqual(Float32Array.of(1, 2, 3, 4));
  expect(into.subarray(0, -1)).toEqual(await logits.toFloat32());
  const { vocabSize } = model.config;
  return chunks.map((_, i) => Array.from(into.subarray(i * vocabSize, (i + 1) * vocabSize)));
}

/** Counts products of a device that were encoded one by one. */
function countEncoded(device: Device): () => number {
  const { linear } = device.kernels;
  let count = 0;
  device.kernels.linear = (...args) => (count++, linear(...args));
  return () => count;
}

describe.each(devices)('on $name', ({ name, open }) => {
  test.each(Object.entries(shapes))(
    '%s: predict has the bits of forward, step by step',
    async (_, config) => {
      using device = open();
      const weights = randomWeights(config, reference());
      const model = makeLlama(config, device, weights);
      const plain = makeLlama(config, device, weights);
      const [ours, theirs] = [new TestCache(device, config, 3), new TestCache(device, config, 3)];
      const ids = Array.from(randomIds(200, 5, config.vocabSize));
      for (let round = 0; round < 40; round++) {
        // One, two and three sequences take turns; now and then a prompt comes in, or memory goes.
        const sequences = round % 8 === 5 ? [0, 1, 2] : round % 3 === 1 ? [0, 2] : [0];
        const count = round % 11 === 7 ? 3 : 1;
        const chunks = sequences.map((sequence) => ({ sequence, tokens: ids.splice(0, count) }));
        expect(await predicted(model, chunks, ours)).toEqual(
          await lastLogits(plain, chunks, theirs.append(chunks)),
        );
        if (round === 20) device.free(device.empty([1000], 'f32').storage);
        if (round === 25) [model, plain].forEach((each) => each.pack());
        if (round === 30) {
          const gain = device.tensor(randomArray(config.dim, 9), [config.dim], 'f32');
          for (const each of [model, plain]) each.parameters.get('norm.weight')!.value = gain;
        }
        if (round === 35)
          for (const each of [model, plain])
            each.parameters.get('norm.weight')!.value.write(randomArray(config.dim, 7));
      }
    },
  );

  test('steps of one shape are encoded once where the device keeps commands', async () => {
    using device = open();
    const config = shapes.gqa!;
    const model = makeLlama(config, device, randomWeights(config, reference()));
    const cache = new TestCache(device, config, 2);
    const encoded = countEncoded(device);
    const counts: number[] = [];
    for (let i = 0; i < 8; i++) {
      const before = encoded();
      // A prompt in between is encoded, and leaves the others in place.
      await predicted(model, [{ sequence: i === 4 ? 1 : 0, tokens: i === 4 ? [1, 2, 3] : [i] }], cache);
      counts.push(encoded() - before);
    }
    const [a = 0] = counts;
    expect(a).toBeGreaterThan(0);
    // The first step makes the table of positions and finds how large arena and scratch must be.
    expect(counts.slice(2)).toEqual(name === 'reference' ? [a, a, a, a, a, a] : [0, 0, a, 0, 0, 0]);
  });
});
