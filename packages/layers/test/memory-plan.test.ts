import { openStep } from '@cria/tensor';
import type { Recompute } from '@cria/tensor';
import { describe, expect, test } from 'vitest';
import { countParameters, Llama, planMemory, preset } from '../src/index.ts';
import { devices } from './support/devices.ts';
import { shapes, trainingStep } from './support/models.ts';
import { randomIds, sum } from './support/numbers.ts';

const levels: readonly Recompute[] = ['none', 'selective', 'full'];
const GB = 1e9;

describe.each(devices)('on $name', ({ open }) => {
  const cases = levels.flatMap((recompute) =>
    [1, 21, 64].flatMap((rows) => (['f32', 'bf16'] as const).map((dtype) => ({ recompute, rows, dtype }))),
  );
  test.each(cases)(
    'a training step of $rows rows in $dtype, recompute $recompute, takes what was planned',
    async ({ recompute, rows, dtype }) => {
      for (const config of [shapes.gqa!, shapes.tied!]) {
        using device = open();
        const before = device.memory.allocated;
        const model = new Llama(config, { device });
        model.parameters.allocate({ gradients: 'borrowed', states: ['exp_avg', 'exp_avg_sq'] });
        const allocated = device.memory.allocated - before;
        const plan = planMemory(config, { rows, dtype, recompute, training: true });
        expect(plan.parameters + plan.moments).toBe(allocated);
        const batch = { tokens: randomIds(rows, 1, 23), targets: randomIds(rows, 2, 23) };
        const { highWater } = await trainingStep(model, batch, { dtype, recompute });
        expect(Math.abs(plan.arena / highWater - 1)).toBeLessThan(0.02);
        expect(plan.total).toBe(plan.parameters + plan.moments + plan.rope + plan.arena);
        // All gradients are there when the second pass begins.
        const two = planMemory(config, { rows, dtype, recompute, training: true, passes: 2 });
        const second = await trainingStep(model, batch, { dtype, recompute });
        expect(Math.abs(two.arena / second.highWater - 1)).toBeLessThan(0.02);
        expect(two.arena).toBeGreaterThan(plan.activations.peak);
        using other = open();
        const apart = new Llama(config, { device: other });
        apart.parameters.allocate({ gradients: true });
        const { highWater: activations } = await trainingStep(apart, batch, { dtype, recompute });
        expect(Math.abs(plan.activations.peak / activations - 1)).toBeLessThan(0.02);
      }
    },
  );

  test('so does inference', () => {
    using device = open();
    const model = new Llama(shapes.gqa!, { device });
    model.parameters.allocate();
    using step = openStep(device, { rows: 30 });
    model.logits(model.forward(model.tokens(new Int32Array(30), step), step), step, [29]);
    const plan = planMemory(shapes.gqa!, { rows: 30 });
    expect(plan.activations.peak).toBe(step.arena.highWater);
    expect([plan.gradients, plan.moments]).toEqual([0, 0]);
  });
});

describe('the figures of the paper', () => {
  // Section 2.4 and Korthikanti et al. 2022, with SwiGLU and without materialised attention: bytes
  // a token and layer in 16 bits are 2(4D + 2·D_kv + 2F) + 4H + 8 where outputs of linear layers
  // are kept, 2D where only the inputs of blocks are.
  test.each([
    ['llama-7b', 6.12],
    ['llama-13b', 9.58],
    ['llama-33b', 18.65],
    ['llama-65b', 30.6],
  ])('%s keeps %d GB of linear outputs for 2048 tokens', (name, expected) => {
    const { activations } = planMemory(preset(name), {
      rows: 2048,
      dtype: 'bf16',
      recompute: 'selective',
      training: true,
    });
    expect(sum(Object.values(activations.kept)) / GB).toBeCloseTo(expected, 1);
    expect(activations.passing).toBeGreaterThan(0);
    expect(activations.passing).toBeLessThan(0.1 * activations.peak);
  });

  test('levels of the 65B model', () => {
    const kept = levels.map((recompute) => {
      const { activations } = planMemory(preset('llama-65b'), {
        rows: 2048,
        dtype: 'bf16',
        recompute,
        training: true,
      });
      expect(activations.passing).toBeGreaterThan(0);
      return sum(Object.values(activations.kept));
    });
    const layer = 80 * 2048 * 8192;
    expect(kept[2]).toBe(2 * layer);
    expect(kept[1]! / layer).toBeCloseTo(22.8, 1);
  });

  test('parameters, gradients and moments', () => {
    const config = preset('15m');
    const plan = planMemory(config, { rows: 256, training: true });
    expect(plan.parameters / (4 * countParameters(config))).toBeCloseTo(1, 4);
    expect(plan.gradients).toBe(plan.parameters);
    expect(plan.moments).toBe(2 * plan.parameters);
    expect(plan.total).toBe(3 * plan.parameters + plan.rope + plan.arena);
    // In half precision only activations shrink: parameters, gradients and moments stay f32.
    const { parameters, gradients, moments } = plan;
    const half = planMemory(config, { rows: 256, dtype: 'bf16', training: true });
    expect(half).toMatchObject({ parameters, gradients, moments });
    expect(half.activations.peak / plan.activations.peak).toBeCloseTo(0.5, 1);
    // For inference the weights do.
    expect(planMemory(config, { rows: 1, dtype: 'bf16' }).parameters).toBe(parameters / 2);
  });

  test('gradients take the place of activations', () => {
    const segments = Array.from({ length: 9 }, (_, i) => i * 512);
    const options = { rows: 4096, dtype: 'bf16', recompute: 'selective', segments, training: true } as const;
    const { arena, activations, gradients } = planMemory(preset('110m'), options);
    // Only the embedding's, which is the output's, is there at the moment of the peak, and a matrix
    // or two of the last block.
    expect(arena - activations.peak).toBeLessThan(0.3 * gradients);
  });

  test('unknown options meet the nearest one', () => {
    // @ts-expect-error: a misspelt option
    expect(() => planMemory(preset('15m'), { rows: 1, recompte: 'full' })).toThrow(
      'did you mean "recompute"?',
    );
  });
});
