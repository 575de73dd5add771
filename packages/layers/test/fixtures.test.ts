import { type Device, openStep, reference } from '@cria/tensor';
import { describe, expect, test } from 'vitest';
import { FeedForward, type Llama, RMSNorm, RotaryEmbedding } from '../src/index.ts';
import { devices } from './support/devices.ts';
import { haveFixtures, readConfig, readJson, readSafetensors, toMeta } from './support/fixtures.ts';
import { makeLlama, trainingStep } from './support/models.ts';
import { expectClose, relativeDifference } from './support/numbers.ts';

/*
 * Numbers of PyTorch and transformers. "float64" there is exact to 1e-13, so the float64 runs here must agree to about that; in float32 a
 * test allows some five times the error that transformers itself has.
 */

const cases = ['mha', 'gqa', 'tied-scaled-rope', 'mqa'];

/** Largest absolute difference. */
function difference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  return Math.max(...Array.from(expected, (value, i) => Math.abs(actual[i]! - value)));
}

interface Inputs {
  readonly input_ids: number[][];
  readonly targets: number[][];
  readonly segment_lengths?: number[][];
}

/** [B, T] as rows in a row, every sequence or packed document a segment. */
function flatten(inputs: Inputs) {
  const rows = inputs.input_ids[0]!.length;
  const lengths = inputs.segment_lengths?.flat() ?? inputs.input_ids.map(() => rows);
  const segments = [0];
  for (const length of lengths) segments.push(segments.at(-1)! + length);
  return { tokens: inputs.input_ids.flat(), targets: inputs.targets.flat(), segments };
}

describe.skipIf(!haveFixtures)('whole Llamas of transformers', () => {
  const runs = [
    {
      device: 'reference, float64',
      open: (): Device => reference(),
      dtype: 'f64',
      logits: 1e-12,
      loss: 1e-12,
      relative: 1e-12,
    },
    ...devices.map(
      ({ name, open }) =>
        ({ device: name, open, dtype: 'f32', logits: 1e-4, loss: 1e-4, relative: 4e-5 }) as const,
    ),
  ] as const;
  const all = runs.flatMap((run) =>
    cases.flatMap((name) => (['plain', 'packed'] as const).map((kind) => ({ ...run, name, kind }))),
  );

  test.each(all)('$device: $name, $kind', async ({ open, name, kind, dtype, ...limits }) => {
    using device = open();
    const config = readConfig(`llama/${name}/config.json`);
    const model = makeLlama(
      config,
      device,
      toMeta(config, readSafetensors(`llama/${name}/model.safetensors`)),
      {
        dtype,
        gradients: true,
      },
    );
    const expected = readSafetensors(
      `llama/${name}/expected${kind === 'packed' ? '-packed' : ''}.safetensors`,
    );
    const { tokens, targets, segments } = flatten(readJson(`llama/${name}/inputs.json`)[kind]);

    using step = openStep(device, { rows: tokens.length, dtype, segments });
    const hidden = model.forward(model.tokens(tokens, step), step);
    expectClose(await hidden.read(), expected['hidden.norm']!.data, limits.relative, 'hidden states');
    expect(difference(await model.logits(hidden, step).read(), expected.logits!.data)).toBeLessThan(
      limits.logits,
    );

    const { losses } = await trainingStep(model, { tokens, targets }, { dtype, segments });
    expect(difference(losses, expected.token_loss!.data)).toBeLessThan(limits.loss);
    const count = targets.filter((target) => target !== -100).length;
    const mean = Array.from(losses).reduce((sum, loss) => sum + loss, 0) / count;
    expect(Math.abs(mean - expected.loss!.data[0]!)).toBeLessThan(limits.loss / 10);
    await compareGradients(model, toMeta(config, expected, 'grad.'), count, limits.relative);
  });

  async function compareGradients(
    model: Llama,
    expected: Record<string, Float64Array>,
    count: number,
    limit: number,
  ) {
    expect(Object.keys(expected).sort()).toEqual(model.parameters.parameters.map(({ name }) => name).sort());
    for (const { name, grad } of model.parameters.parameters) {
      const mean = Array.from(await grad.read(), (value) => value / count);
      expectClose(mean, expected[name]!, limit, name);
    }
  }

  test.each(cases)('%s: residual stream after every block', async (name) => {
    using device = reference();
    const config = readConfig(`llama/${name}/config.json`);
    const weights = toMeta(config, readSafetensors(`llama/${name}/model.safetensors`));
    const model = makeLlama(config, device, weights, { dtype: 'f64' });
    const expected = readSafetensors(`llama/${name}/expected.safetensors`);
    const { tokens, segments } = flatten(readJson(`llama/${name}/inputs.json`).plain);
    using step = openStep(device, { rows: tokens.length, dtype: 'f64', segments });
    let x = model.embedding.forward(model.tokens(tokens, step), step);
    for (const [i, block] of model.blocks.entries()) {
      expectClose(await x.read(), expected[`hidden.${i}`]!.data, 1e-12, `hidden.${i}`);
      x = block.forward(x, step);
    }
    expectClose(await x.read(), expected[`hidden.${config.nLayers}`]!.data, 1e-12, 'last block');
  });

  test.each(devices)(
    '$name: weights in HF row order with half pairing give the same logits',
    async ({ open }) => {
      using device = open();
      const config = readConfig('llama/gqa/config.json');
      const stored = readSafetensors('llama/gqa/model.safetensors');
      const weights = toMeta(config, stored);
      for (const name of Object.keys(weights)) {
        const hf = name
          .replace('layers.', 'model.layers.')
          .replace(/attention\.w([qk])/, 'self_attn.$1_proj');
        if (/\.w[qk]\./.test(name)) weights[name] = stored[hf]!.data;
      }
      const model = makeLlama(config, device, weights, { pairing: 'half' });
      const { tokens, segments } = flatten(readJson('llama/gqa/inputs.json').plain);
      using step = openStep(device, { rows: tokens.length, segments });
      const logits = await model.logits(model.forward(model.tokens(tokens, step), step), step).read();
      expect(difference(logits, readSafetensors('llama/gqa/expected.safetensors').logits!.data)).toBeLessThan(
        1e-4,
      );
    },
  );
});

describe.skipIf(!haveFixtures)('single layers of PyTorch', () => {
  const runs = [
    { device: 'reference, float64', open: (): Device => reference(), dtype: 'f64' as const, limit: 1e-13 },
    ...devices.map(({ name, open }) => ({ device: name, open, dtype: 'f32' as const, limit: 3e-6 })),
  ];

  test.each(runs)('$device: rope in both pairings', async ({ open, dtype, limit }) => {
    using device = open();
    const index = readJson('rope/index.json');
    for (const name of ['even', 'odd', 'far']) {
      const { H: heads, E: headDim, theta } = index[name];
      const { x, position, ...stored } = readSafetensors(`rope/${name}.safetensors`);
      const positions = position!.data;
      // The angle is formed in float32, as in Meta's code: at position 4095 that alone moves the result by 5e-5.
      const tolerance =
        dtype === 'f64'
          ? limit
          : Math.max(limit, 5 * index[name].float32_relative['half.y'], 3e-8 * Math.max(...positions) * 2);
      for (const [pairing, prefix] of [
        ['adjacent', 'interleaved'],
        ['half', 'half'],
      ] as const) {
        const rope = new RotaryEmbedding({ device, headDim, theta, pairing });
        using step = openStep(device, { rows: positions.length, dtype, positions });
        const rotated = step.empty([positions.length, heads * headDim]).write(x!.data);
        rope.rotate(rotated, step, heads);
        expectClose(await rotated.read(), stored[`${prefix}.y`]!.data, tolerance, `${name} ${prefix}`);
        const turned = step.empty(rotated.shape).write(stored[`${prefix}.dy`]!.data);
        rope.rotateBack(turned, step, heads);
        expectClose(
          await turned.read(),
          stored[`${prefix}.dx`]!.data,
          tolerance,
          `${name} ${prefix} gradient`,
        );
      }
    }
  });

  test.each(runs)('$device: RMSNorm', async ({ open, dtype, limit }) => {
    using device = open();
    const index = readJson('rmsnorm/index.json');
    for (const name of ['odd', 'one', 'wide']) {
      const { x, gain, dy, y, dx, dgain } = readSafetensors(`rmsnorm/${name}.safetensors`);
      const [rows, dim] = x!.shape as [number, number];
      const layer = new RMSNorm({ device, name: 'norm', dim, eps: index[name].eps });
      layer.parameters.allocate({ dtype, gradients: true });
      layer.weight.value.write(gain!.data);
      using step = openStep(device, { rows, dtype, training: true });
      expectClose(
        await layer.forward(step.empty([rows, dim]).write(x!.data), step).read(),
        y!.data,
        limit,
        `${name} y`,
      );
      const result = layer.backward(step.empty([rows, dim]).write(dy!.data), step);
      const cancelling = Math.max(limit, 10 * index[name].float32_relative.dx * (dtype === 'f32' ? 1 : 1e-8));
      expectClose(await result.read(), dx!.data, cancelling, `${name} dx`);
      expectClose(await layer.weight.grad.read(), dgain!.data, limit, `${name} dgain`);
    }
  });

  test.each(runs)('$device: RMSNorm of extreme rows, row by row', async ({ open, dtype, limit }) => {
    using device = open();
    const { eps } = readJson('rmsnorm/index.json').extreme;
    const { x, gain, y } = readSafetensors('rmsnorm/extreme.safetensors');
    const [rows, dim] = x!.shape as [number, number];
    const layer = new RMSNorm({ device, name: 'norm', dim, eps: eps ?? 1e-6 });
    layer.parameters.allocate({ dtype });
    layer.weight.value.write(gain!.data);
    using step = openStep(device, { rows, dtype });
    const actual = await layer.forward(step.empty([rows, dim]).write(x!.data), step).read();
    for (let row = 0; row < rows; row++) {
      const expected = y!.data.subarray(row * dim, (row + 1) * dim);
      const size = Math.max(...expected.map(Math.abs));
      // Below float32's normal range an absolute error of its smallest step is all that can be asked.
      if (dtype === 'f32' && size < 1e-36)
        expect(difference(actual.subarray(row * dim, (row + 1) * dim), expected)).toBeLessThan(1e-40);
      else
        expect(
          relativeDifference(actual.subarray(row * dim, (row + 1) * dim), expected),
          `row ${row}`,
        ).toBeLessThan(limit);
    }
  });

  test.each(runs)('$device: SwiGLU feed-forward', async ({ open, dtype, limit }) => {
    using device = open();
    for (const name of ['odd', 'one-row']) {
      const stored = readSafetensors(`swiglu/${name}.safetensors`);
      const [rows, dim] = stored.x!.shape as [number, number];
      const layer = new FeedForward({ device, name: 'ffn', dim, ffnDim: stored.w1!.shape[0]! });
      layer.parameters.allocate({ dtype, gradients: true });
      for (const w of ['w1', 'w2', 'w3'] as const) layer[w].weight.value.write(stored[w]!.data);
      using step = openStep(device, { rows, dtype, training: true });
      expectClose(
        await layer.forward(step.empty([rows, dim]).write(stored.x!.data), step).read(),
        stored.y!.data,
        limit,
        `${name} y`,
      );
      const dx = layer.backward(step.empty([rows, dim]).write(stored.dy!.data), step);
      expectClose(await dx.read(), stored.dx!.data, limit, `${name} dx`);
      for (const w of ['w1', 'w2', 'w3'] as const)
        expectClose(await layer[w].weight.grad.read(), stored[`d${w}`]!.data, limit, `${name} d${w}`);
    }
  });
});
