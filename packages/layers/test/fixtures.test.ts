import { type Device, openStep, reference } from '@cria/tensor';
import { describe, expect, test } from 'vitest';
import { FeedForward, type Llama, RMSNorm, RotaryEmbedding } from '../src/index.ts';
import { vectorCases } from '../../../scripts/support/vectors.ts';
import { devices } from './support/devices.ts';
import { readConfig, readJson, readSafetensors, toMeta } from './support/fixtures.ts';
import { makeLlama, trainingStep } from './support/models.ts';
import { expectClose, relativeDifference } from './support/numbers.ts';

/*
 * Numbers of PyTorch and transformers. "float64" there is exact to 1e-13, so the float64 runs here
 * must agree to about that; in float32 a test allows some five times the error that transformers
 * itself has.
 */

const cases = vectorCases('llama', 'expected.safetensors');

/** Names in the index of a folder, with their settings. */
const named = (folder: string): [string, Settings][] => Object.entries(readJson(`${folder}/index.json`));
// oxlint-disable-next-line typescript/no-explicit-any -- settings differ from folder to folder
type Settings = any;

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

describe('whole Llamas of transformers', () => {
  const runs = [
    { device: 'reference, float64', open: (): Device => reference(), dtype: 'f64' as const },
    ...devices.map(({ name, open }) => ({ device: name, open, dtype: 'f32' as const })),
  ];
  const all = runs.flatMap((run) =>
    cases.flatMap((name) => (['plain', 'packed'] as const).map((kind) => ({ ...run, name, kind }))),
  );

  /** In float64 what double leaves; in float32 ten times what transformers itself is off by. */
  function limitsOf(name: string, kind: string, dtype: 'f64' | 'f32') {
    if (dtype === 'f64') return { logits: 1e-12, loss: 1e-12, mean: 1e-13, hidden: 1e-12, gradients: 1e-12 };
    const off = readJson(`llama/${name}/float32.json`)[kind].transformers_float32;
    const { logits_abs, token_loss_abs, loss_abs, hidden_rel, grad_rel } = off;
    return {
      logits: 10 * logits_abs,
      loss: 10 * token_loss_abs,
      mean: Math.max(10 * loss_abs, 1e-6),
      hidden: 10 * hidden_rel,
      gradients: 10 * grad_rel,
    };
  }

  test.each(all)('$device: $name, $kind', async ({ open, name, kind, dtype }) => {
    using device = open();
    const limits = limitsOf(name, kind, dtype);
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
    expectClose(await hidden.read(), expected['hidden.norm']!.data, limits.hidden, 'hidden states');
    expect(difference(await model.logits(hidden, step).read(), expected.logits!.data)).toBeLessThan(
      limits.logits,
    );

    const { losses } = await trainingStep(model, { tokens, targets }, { dtype, segments });
    expect(difference(losses, expected.token_loss!.data)).toBeLessThan(limits.loss);
    const count = targets.filter((target) => target !== -100).length;
    const mean = Array.from(losses).reduce((sum, loss) => sum + loss, 0) / count;
    expect(Math.abs(mean - expected.loss!.data[0]!)).toBeLessThan(limits.mean);
    await compareGradients(model, toMeta(config, expected, 'grad.'), count, limits.gradients);
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

  test.each(devices.flatMap((device) => cases.map((folder) => ({ ...device, folder }))))(
    '$name: weights of $folder in HF row order with half pairing give the same logits',
    async ({ open, folder }) => {
      using device = open();
      const config = readConfig(`llama/${folder}/config.json`);
      const stored = readSafetensors(`llama/${folder}/model.safetensors`);
      const weights = toMeta(config, stored);
      for (const name of Object.keys(weights)) {
        const hf = name
          .replace('layers.', 'model.layers.')
          .replace(/attention\.w([qk])/, 'self_attn.$1_proj');
        if (/\.w[qk]\./.test(name)) weights[name] = stored[hf]!.data;
      }
      const model = makeLlama(config, device, weights, { pairing: 'half' });
      const { tokens, segments } = flatten(readJson(`llama/${folder}/inputs.json`).plain);
      using step = openStep(device, { rows: tokens.length, segments });
      const logits = await model.logits(model.forward(model.tokens(tokens, step), step), step).read();
      expect(
        difference(logits, readSafetensors(`llama/${folder}/expected.safetensors`).logits!.data),
      ).toBeLessThan(1e-4);
    },
  );
});

describe('single layers of PyTorch', () => {
  const runs = [
    { device: 'reference, float64', open: (): Device => reference(), dtype: 'f64' as const, limit: 1e-13 },
    ...devices.map(({ name, open }) => ({ device: name, open, dtype: 'f32' as const, limit: 1e-6 })),
  ];
  /** `limit`, or in float32 ten times what PyTorch in float32 is off by. */
  const allowed = (limit: number, off = 0) => (limit < 1e-9 ? limit : Math.max(limit, 10 * off));

  test.each(runs)('$device: rope in both pairings', async ({ open, dtype, limit }) => {
    using device = open();
    for (const [name, settings] of named('rope')) {
      const { theta = 10_000, float32_relative } = settings;
      const { x, position, ...stored } = readSafetensors(`rope/${name}.safetensors`);
      const [heads, headDim] = x!.shape.slice(2) as [number, number];
      const positions = position!.data;
      // The angle is formed in float32, as in Meta's code: at position 4095 that alone moves the result by 5e-5.
      const tolerance =
        dtype === 'f64'
          ? Math.max(limit, 3e-16 * Math.max(...positions))
          : Math.max(limit, 10 * float32_relative['half.y'], 6e-8 * Math.max(...positions));
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
    for (const [name, { eps, float32_relative }] of named('rmsnorm')) {
      if (name === 'extreme') continue; // below, row by row
      const { x, gain, dy, y, dx, dgain } = readSafetensors(`rmsnorm/${name}.safetensors`);
      const [rows, dim] = x!.shape as [number, number];
      const layer = new RMSNorm({ device, name: 'norm', dim, eps });
      layer.parameters.allocate({ dtype, gradients: true });
      layer.weight.value.write(gain!.data);
      using step = openStep(device, { rows, dtype, training: true });
      expectClose(
        await layer.forward(step.empty([rows, dim]).write(x!.data), step).read(),
        y!.data,
        allowed(limit, float32_relative.y),
        `${name} y`,
      );
      const result = layer.backward(step.empty([rows, dim]).write(dy!.data), step);
      const cancelling = Math.max(limit, 10 * float32_relative.dx * (dtype === 'f32' ? 1 : 1e-8));
      expectClose(await result.read(), dx!.data, cancelling, `${name} dx`);
      expectClose(
        await layer.weight.grad.read(),
        dgain!.data,
        allowed(limit, float32_relative.dgain),
        `${name} dgain`,
      );
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
    for (const [name, { float32_relative: off }] of named('swiglu')) {
      const stored = readSafetensors(`swiglu/${name}.safetensors`);
      if (!stored.x) continue; // silu(gate) · up alone, which is no layer
      const [rows, dim] = stored.x!.shape as [number, number];
      const layer = new FeedForward({ device, name: 'ffn', dim, ffnDim: stored.w1!.shape[0]! });
      layer.parameters.allocate({ dtype, gradients: true });
      for (const w of ['w1', 'w2', 'w3'] as const) layer[w].weight.value.write(stored[w]!.data);
      using step = openStep(device, { rows, dtype, training: true });
      expectClose(
        await layer.forward(step.empty([rows, dim]).write(stored.x!.data), step).read(),
        stored.y!.data,
        allowed(limit, off.y),
        `${name} y`,
      );
      const dx = layer.backward(step.empty([rows, dim]).write(stored.dy!.data), step);
      expectClose(await dx.read(), stored.dx!.data, allowed(limit, off.dx), `${name} dx`);
      for (const w of ['w1', 'w2', 'w3'] as const)
        expectClose(
          await layer[w].weight.grad.read(),
          stored[`d${w}`]!.data,
          allowed(limit, off[`d${w}`]),
          `${name} d${w}`,
        );
    }
  });
});
