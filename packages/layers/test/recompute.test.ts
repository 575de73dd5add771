import { openStep } from '@cria/tensor';
import type { Recompute } from '@cria/tensor';
import { describe, expect, test } from 'vitest';
import { Linear } from '../src/index.ts';
import { devices } from './support/devices.ts';
import { makeLlama, randomWeights, shapes, trainingStep } from './support/models.ts';
import { numbersOf, randomIds } from './support/numbers.ts';

const levels: readonly Recompute[] = ['none', 'selective', 'full'];
const batch = { tokens: randomIds(21, 5, 23), targets: randomIds(21, 6, 23) };
const segments = [0, 8, 21];

describe.each(devices)('on $name', ({ open }) => {
  const cases = Object.entries(shapes).flatMap(([name, config]) =>
    (['f32', 'bf16'] as const).map((dtype) => ({ name, config, dtype })),
  );
  test.each(cases)(
    '$name, $dtype: every level gives the same bits and leaves nothing saved',
    async ({ config, dtype }) => {
      const results = [];
      for (const recompute of levels) {
        using device = open();
        const weights = randomWeights(config, device);
        const model = makeLlama(config, device, weights, { dtype, gradients: true });
        const { losses, saved, highWater } = await trainingStep(model, batch, { dtype, segments, recompute });
        expect(saved, recompute).toBe(0);
        results.push({ losses, gradients: await model.parameters.gradients.read(), highWater });
      }
      const [none, selective, full] = results as [
        (typeof results)[0],
        (typeof results)[0],
        (typeof results)[0],
      ];
      for (const other of [selective, full]) {
        expect(other.losses).toEqual(none.losses);
        expect(other.gradients).toEqual(none.gradients);
      }
      expect(selective.highWater).toBeLessThan(none.highWater);
      expect(full.highWater).toBeLessThan(selective.highWater);
    },
  );

  test.each(levels)('recompute %s: a step gives back all that it took', async (recompute) => {
    using device = open();
    const model = makeLlama(shapes.gqa!, device, randomWeights(shapes.gqa!, device), { gradients: true });
    using step = openStep(device, { rows: 21, training: true, segments, recompute });
    const before = step.arena.inUse;
    const [tokens, targets] = [model.tokens(batch.tokens, step), model.targets(batch.targets, step)];
    const losses = model.loss(tokens, targets, step);
    model.backward(step);
    step.release(losses, tokens, targets);
    expect(step.arena.inUse).toBe(before);
    expect(step.savedCount).toBe(0);
  });

  test('inference keeps nothing', async () => {
    using device = open();
    const model = makeLlama(shapes.gqa!, device, randomWeights(shapes.gqa!, device));
    using step = openStep(device, { rows: 21 });
    const before = step.arena.inUse;
    const tokens = model.tokens(batch.tokens, step);
    const hidden = model.forward(tokens, step);
    step.release(
      model.logits(hidden, step, [20]),
      model.loss(tokens, model.targets(batch.targets, step), step),
      hidden,
    );
    expect(step.arena.inUse).toBeLessThan(before + 1024);
    expect(step.savedCount).toBe(0);
  });

  test('parameters without gradients are passed over', async () => {
    using device = open();
    const weights = randomWeights(shapes.gqa!, device);
    const all = makeLlama(shapes.gqa!, device, weights, { gradients: true });
    await trainingStep(all, batch);
    for (const recompute of levels) {
      const some = makeLlama(shapes.gqa!, device, weights, { gradients: true });
      const trained = [
        'layers.1.attention.wv.weight',
        'layers.0.attention_norm.weight',
        'layers.0.feed_forward.w2.weight',
      ];
      for (const parameter of some.parameters.parameters) {
        if (!trained.includes(parameter.name)) parameter.frozen = true;
      }
      const { saved } = await trainingStep(some, batch, { recompute });
      expect(saved).toBe(0);
      for (const name of trained) {
        expect(await some.parameters.get(name)!.grad.read(), name).toEqual(
          await all.parameters.get(name)!.grad.read(),
        );
      }
      const flat = await numbersOf(some.parameters.gradients);
      const touched = trained.reduce((count, name) => count + some.parameters.get(name)!.size, 0);
      expect(flat.filter((value) => value !== 0).length).toBeLessThanOrEqual(touched);
    }
  });

  test('parts can be made otherwise', async () => {
    using device = open();
    const weights = randomWeights(shapes.tied!, device);
    const names: string[] = [];
    const factories = {
      linear: (options: ConstructorParameters<typeof Linear>[0]) => {
        names.push(options.name);
        return new Linear(options);
      },
    };
    const model = makeLlama(shapes.tied!, device, weights, { gradients: true, factories });
    const plain = makeLlama(shapes.tied!, device, weights, { gradients: true });
    await trainingStep(model, batch);
    await trainingStep(plain, batch);
    expect(names).toHaveLength(2 * 7 + 1);
    expect(model.output.weight).toBe(model.embedding.weight);
    expect(await model.parameters.gradients.read()).toEqual(await plain.parameters.gradients.read());
  });
});
