import { openStep, reference } from '@cria/tensor';
import { describe, expect, test } from 'vitest';
import { devices } from './support/devices.ts';
import { makeLlama, randomWeights, shapes, trainingStep } from './support/models.ts';
import { centralDifference, expectClose, randomIds, sum } from './support/numbers.ts';
import { oracleLosses, oracleLogits, type Batch } from './support/oracle.ts';

const batch: Batch = {
  tokens: randomIds(9, 5, 23),
  targets: randomIds(9, 6, 23).map((id, t) => (t === 3 ? -100 : id)),
  segments: [0, 9],
};
const packed: Batch = { ...batch, segments: [0, 4, 5, 9] };

const cases = Object.entries(shapes).flatMap(([name, config]) => [
  { name, config, batch, pairing: 'adjacent' as const },
  { name: `${name}, packed, half`, config, batch: packed, pairing: 'half' as const },
]);

describe('in float64, against an implementation that shares no code', () => {
  test.each(cases)(
    '$name: losses, and gradients by central differences',
    async ({ config, batch, pairing }) => {
      using device = reference();
      const weights = randomWeights(config, device);
      const model = makeLlama(config, device, weights, { dtype: 'f64', gradients: true, pairing });
      const { losses } = await trainingStep(model, batch, { dtype: 'f64', segments: batch.segments });
      expectClose(losses, oracleLosses(config, weights, batch, pairing), 1e-13, 'losses');
      for (const parameter of model.parameters.parameters) {
        const gradient = await parameter.grad.read();
        const size = Math.max(...gradient.map(Math.abs));
        for (const index of randomIds(6, parameter.size, parameter.size)) {
          const f = () => sum(oracleLosses(config, weights, batch, pairing));
          const expected = await centralDifference(weights[parameter.name]!, index, f);
          expect(Math.abs(gradient[index]! - expected) / size, `${parameter.name}[${index}]`).toBeLessThan(
            1e-6,
          );
        }
      }
    },
  );
});

describe.each(devices)('on $name in float32', ({ open }) => {
  test.each(cases)('$name: losses, gradients and logits', async ({ config, batch, pairing }) => {
    using exactDevice = reference();
    using device = open();
    const weights = randomWeights(config, exactDevice);
    const exact = makeLlama(config, exactDevice, weights, { dtype: 'f64', gradients: true, pairing });
    const model = makeLlama(config, device, weights, { gradients: true, pairing });
    const { segments } = batch;
    const expected = await trainingStep(exact, batch, { dtype: 'f64', segments });
    const { losses } = await trainingStep(model, batch, { segments });
    expectClose(losses, expected.losses, 1e-5, 'losses');
    for (const { name, grad } of model.parameters.parameters) {
      expectClose(await grad.read(), await exact.parameters.get(name)!.grad.read(), 3e-5, name);
    }
    using step = openStep(device, { rows: 4 });
    const ids = Array.from(batch.tokens).slice(0, 4);
    const logits = model.logits(model.forward(model.tokens(ids, step), step), step, [3, 1]);
    const rows = oracleLogits(config, weights, ids, pairing);
    expectClose(await logits.read(), [...rows[3]!, ...rows[1]!], 1e-5, 'logits');
  });

  test('in half precision, where the device has it', async () => {
    using exactDevice = reference();
    using device = open();
    const weights = randomWeights(shapes.gqa!, exactDevice);
    const exact = makeLlama(shapes.gqa!, exactDevice, weights, { dtype: 'f64', gradients: true });
    const expected = await trainingStep(exact, batch, { dtype: 'f64' });
    for (const dtype of device.computeDTypes) {
      if (dtype !== 'bf16' && dtype !== 'f16') continue;
      const model = makeLlama(shapes.gqa!, device, weights, { dtype, gradients: true });
      const { losses } = await trainingStep(model, batch, { dtype });
      const tolerance = dtype === 'bf16' ? 0.05 : 0.006;
      expectClose(losses, expected.losses, tolerance, `${dtype} losses`);
      for (const { name, grad } of model.parameters.parameters) {
        expectClose(
          await grad.read(),
          await exact.parameters.get(name)!.grad.read(),
          3 * tolerance,
          `${dtype} ${name}`,
        );
      }
    }
  });

  test('gradients accumulate over steps', async () => {
    using device = open();
    const weights = randomWeights(shapes.gqa!, device);
    const model = makeLlama(shapes.gqa!, device, weights, { gradients: true });
    await trainingStep(model, batch);
    const once = await model.parameters.gradients.toFloat32();
    await trainingStep(model, batch);
    const twice = await model.parameters.gradients.toFloat32();
    expectClose(
      twice,
      once.map((value) => 2 * value),
      1e-6,
      'two steps',
    );
    model.parameters.clearGradients();
    expect((await model.parameters.gradients.read()).every((value) => value === 0)).toBe(true);
  });

  test('the gradient of any objective of the hidden states', async () => {
    using device = open();
    const weights = randomWeights(shapes.mha!, device);
    const model = makeLlama(shapes.mha!, device, weights, { gradients: true });
    using step = openStep(device, { rows: 9, training: true });
    const hidden = model.forward(model.tokens(batch.tokens, step), step);
    const ones = step.empty(hidden.shape).write(new Float32Array(hidden.size).fill(1));
    model.backward(step, ones);
    expect(step.savedCount).toBe(0);
    // Σ hidden = Σ x̂·gain is homogeneous in the last gain.
    const gain = model.parameters.get('norm.weight')!;
    const [values, gradient] = [await gain.value.read(), await gain.grad.read()];
    const total = sum(await hidden.read());
    expect(Math.abs(sum(values.map((value, i) => value * gradient[i]!)) - total)).toBeLessThan(
      1e-4 * Math.abs(total) + 1e-4,
    );
    expect((await model.output.weight.grad.read()).every((value) => value === 0)).toBe(true);
  });
});

test('bytes are token ids too', async () => {
  using device = reference();
  const model = makeLlama(shapes.mha!, device, randomWeights(shapes.mha!, device));
  using step = openStep(device, { rows: 3 });
  expect(await model.tokens(Uint8Array.of(1, 22, 0), step).read()).toEqual(Int32Array.of(1, 22, 0));
});

describe('what is refused', () => {
  test('ids, rows, positions and options that cannot be', () => {
    using device = reference();
    const model = makeLlama(shapes.mha!, device, randomWeights(shapes.mha!, device));
    using step = openStep(device, { rows: 2 });
    expect(() => model.tokens([1, 23], step)).toThrow(
      '[llama.tokens] id 23 of row 1 is outside a vocabulary of 23.',
    );
    expect(() => model.tokens([1, -100], step)).toThrow('id -100');
    expect(() => model.targets([1, -1], step)).toThrow('id -1');
    expect(() => model.tokens([1], step)).toThrow('1 ids for a step of 2 rows');
    const hidden = model.forward(model.tokens([1, 2], step), step);
    expect(() => model.logits(hidden, step, [2])).toThrow('row 2 is none of 2');
    using far = openStep(device, { rows: 1, positions: [64] });
    expect(() => model.forward(model.tokens([1], far), far)).toThrow(
      'position 64 lies outside the context of 64',
    );
    expect(() => openStep(device, { rows: 1, positions: [-1] })).toThrow('position -1 of row 0');
    // @ts-expect-error: a misspelt option
    expect(() => makeLlama(shapes.mha!, device, {}, { factories: { liner: () => {} } })).toThrow(
      'did you mean "linear"?',
    );
  });

  test('backward without its forward', () => {
    using device = reference();
    const model = makeLlama(shapes.mha!, device, randomWeights(shapes.mha!, device), { gradients: true });
    using step = openStep(device, { rows: 2, training: true });
    expect(() => model.backward(step)).toThrow('nothing is saved');
  });
});
