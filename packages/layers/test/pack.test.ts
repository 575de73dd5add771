import { openStep } from '@cria/tensor';
import { describe, expect, test } from 'vitest';
import type { Llama } from '../src/index.ts';
import { devices } from './support/devices.ts';
import { makeLlama, randomWeights, shapes } from './support/models.ts';
import { expectClose, randomIds } from './support/numbers.ts';

async function logitsOf(model: Llama): Promise<ArrayLike<number>> {
  using step = openStep(model.device, { rows: 11 });
  return model.logits(model.forward(model.tokens(randomIds(11, 9, 23), step), step), step).read();
}

describe.each(devices)('on $name', ({ open }) => {
  test.each(['gqa', 'tied'])('%s: a packed model computes the same, without the originals', async (name) => {
    using device = open();
    const config = shapes[name]!;
    const model = makeLlama(config, device, randomWeights(config, device));
    const before = await logitsOf(model);
    const [norm, output] = [model.parameters.get('norm.weight')!, model.output.weight];
    const original = output.value.storage;
    const hasLayout = device.pack(device.empty([32, 32], 'f32')).layout !== 'plain';
    const { allocated } = device.memory;
    model.pack();
    // A device without a better layout holds one copy of every weight, not two.
    if (!hasLayout) expect(device.memory.allocated).toBeLessThanOrEqual(allocated);
    expectClose(await logitsOf(model), before, 1e-6, 'logits');
    expect(() => model.parameters.values).toThrow('no memory yet');
    expect(output.value.storage).not.toBe(original);
    expect(norm.value.layout).toBe('plain');
    expect(await norm.value.read()).toHaveLength(config.dim);
  });

  test('a model gives all its memory back, packed or not', async () => {
    using device = open();
    const weights = randomWeights(shapes.tied!, device);
    for (const packed of [false, true]) {
      const before = device.memory.allocated;
      {
        using model = makeLlama(shapes.tied!, device, weights, { gradients: !packed });
        if (packed) model.pack();
        await logitsOf(model);
      }
      const arena = packed ? 0 : 1 << 20;
      expect(device.memory.allocated - before).toBe(arena);
    }
  });

  test('a model that can be trained is not packed', () => {
    using device = open();
    const model = makeLlama(shapes.mha!, device, randomWeights(shapes.mha!, device), { gradients: true });
    expect(() => model.pack()).toThrow('[llama.pack] the parameters have gradients.');
  });
});
