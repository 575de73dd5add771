import { type AdamWSettings, type Device, type FlatMemory, reference, type Tensor } from '@cria/tensor';
import { describe, expect, test } from 'vitest';
import type { Llama } from '../src/index.ts';
import { vectorCases } from '../../../scripts/support/vectors.ts';
import { devices } from './support/devices.ts';
import { readConfig, readJson, readSafetensors, toMeta } from './support/fixtures.ts';
import { makeLlama, trainingStep } from './support/models.ts';
import { expectClose, numbersOf, sum } from './support/numbers.ts';

/*
 * Ten optimizer steps of torch.optim.AdamW through a whole model, made of this package and two
 * kernels. Tolerances are some five times what float32 cost torch itself, or what double leaves.
 */
const limits = {
  f64: { loss: 1e-11, norm: 1e-11, parameters: 1e-11, moments: 1e-11 },
  f32: { loss: 2.5e-5, norm: 1e-4, parameters: 1e-3, moments: 4e-4 },
};

const cases = vectorCases('training', 'expected.safetensors');
if (cases.length === 0) {
  console.log('ten AdamW steps of torch skipped: the vectors of this checkout hold none');
  test.skip('ten AdamW steps of torch');
}

const runs = [
  { device: 'reference, float64', open: (): Device => reference(), dtype: 'f64' as const },
  ...devices.map(({ name, open }) => ({ device: name, open, dtype: 'f32' as const })),
].flatMap((run) => cases.map((name) => ({ ...run, name })));

interface Expected {
  readonly optimizer: { betas: [number, number]; eps: number; weight_decay: number; max_grad_norm: number };
  readonly steps: { step: number; lr: number; loss: number; grad_norm: number; clipped: boolean }[];
}

describe.runIf(cases.length > 0)('ten AdamW steps of torch', () => {
  test.each(runs)('$device: $name', async ({ open, dtype, name }) => {
    using device = open();
    const config = readConfig(`training/${name}/config.json`);
    const start = toMeta(config, readSafetensors(`training/${name}/model.safetensors`));
    const model = makeLlama(config, device, start, {
      dtype,
      gradients: true,
      states: ['exp_avg', 'exp_avg_sq'],
    });
    const { optimizer, steps }: Expected = readJson(`training/${name}/expected.json`);
    const batches = readJson(`training/${name}/batches.json`);
    const limit = limits[dtype];
    for (const { step, lr, loss, grad_norm: norm, clipped } of steps) {
      const ids: number[][] = batches.input_ids[step - 1];
      const targets: number[] = batches.targets[step - 1].flat();
      const segments = [0, ...ids.map((_, i) => (i + 1) * ids[0]!.length)];
      const count = targets.filter((target) => target !== -100).length;
      model.parameters.clearGradients();
      const { losses } = await trainingStep(model, { tokens: ids.flat(), targets }, { dtype, segments });
      expect(Math.abs(sum(losses) / count - loss), `loss of step ${step}`).toBeLessThan(limit.loss);
      const found = (await gradientNorm(model)) / count;
      expect(Math.abs(found / norm - 1), `norm of step ${step}`).toBeLessThan(limit.norm);
      expect(found > optimizer.max_grad_norm).toBe(clipped);
      const gradientScale = Math.min(1, optimizer.max_grad_norm / (found + 1e-6)) / count;
      const [beta1, beta2] = optimizer.betas;
      const settings = { learningRate: lr, beta1, beta2, epsilon: optimizer.eps, gradientScale, step };
      update(model, { ...settings, weightDecay: optimizer.weight_decay });
    }
    const expected = readSafetensors(`training/${name}/expected.safetensors`);
    const { valueMemory, states } = model.parameters;
    await compare(model, valueMemory, toMeta(config, expected, 'param.'), limit.parameters);
    await compare(model, states.get('exp_avg'), toMeta(config, expected, 'exp_avg.'), limit.moments);
    await compare(model, states.get('exp_avg_sq'), toMeta(config, expected, 'exp_avg_sq.'), limit.moments);
  });
});

async function gradientNorm({ device, parameters }: Llama): Promise<number> {
  const out = device.empty([1], parameters.gradients.dtype);
  device.kernels.sumSquares(out, parameters.gradients);
  return Math.sqrt(Number((await out.read())[0]));
}

/** Decayed parameters stand first in the flat space. */
function update({ device, parameters }: Llama, settings: AdamWSettings): void {
  const { size, decayedSize } = parameters;
  for (const [start, end, weightDecay] of [
    [0, decayedSize, settings.weightDecay],
    [decayedSize, size, 0],
  ] as const) {
    const part = (flat: Tensor) => flat.slice(start, end);
    const { values, gradients, states } = parameters;
    const [first, second] = [states.get('exp_avg').whole, states.get('exp_avg_sq').whole];
    device.kernels.adamw(part(values), part(gradients), part(first), part(second), {
      ...settings,
      weightDecay,
    });
  }
}

async function compare(
  { parameters }: Llama,
  flat: FlatMemory,
  expected: Record<string, Float64Array>,
  limit: number,
): Promise<void> {
  for (const parameter of parameters.parameters) {
    expectClose(
      await numbersOf(parameters.view(flat, parameter)),
      expected[parameter.name]!,
      limit,
      parameter.name,
    );
  }
}
