import {
  type Device,
  openStep,
  type Parameter,
  ParameterSpace,
  reference,
  type Step,
  type StepOptions,
  type Tensor,
} from '@cria/tensor';
import { describe, expect, test } from 'vitest';
import {
  Attention,
  defaultFactories,
  Embedding,
  FeedForward,
  type Layer,
  Linear,
  LinearCrossEntropy,
  llamaConfig,
  RMSNorm,
  RotaryEmbedding,
  SwiGLU,
  TransformerBlock,
} from '../src/index.ts';
import { centralDifference, numbersOf, randomArray, randomIds, sum } from './support/numbers.ts';

/** A layer alone, as the check sees it. */
interface Subject {
  readonly parameters?: ParameterSpace | undefined;
  /** Width of x and of y. */
  readonly inputs: number;
  readonly outputs: number;
  forward(x: Tensor, step: Step): Tensor;
  /** Takes dy over. */
  backward(dy: Tensor, step: Step): Tensor;
}

const rows = 5;

/** Central differences of Σ y∘c with respect to every element of x and of every parameter, against backward. */
async function checkGradients(
  device: Device,
  subject: Subject,
  options: Omit<StepOptions, 'rows'> = {},
): Promise<void> {
  const { parameters, inputs, outputs } = subject;
  parameters?.allocate({ dtype: 'f64', gradients: true });
  const values = new Map<Parameter, Float64Array>();
  for (const [i, parameter] of (parameters?.parameters ?? []).entries()) {
    values.set(parameter, randomArray(parameter.size, 40 + i, 0.5));
    parameter.value.write(values.get(parameter)!);
  }
  const [x, c] = [randomArray(rows * inputs, 1), randomArray(rows * outputs, 2)];
  const objective = async () => {
    for (const [parameter, value] of values) parameter.value.write(value);
    using step = openStep(device, { rows, dtype: 'f64', ...options });
    const y = await numbersOf(subject.forward(step.empty([rows, inputs]).write(x), step));
    return sum(y.map((each, i) => each * c[i]!));
  };

  using step = openStep(device, { rows, dtype: 'f64', training: true, ...options });
  const input = step.empty([rows, inputs]).write(x);
  const before = step.arena.inUse;
  const y = subject.forward(input, step);
  expect(y.shape).toEqual([rows, outputs]);
  step.release(y);
  const dy = step.empty([rows, outputs]).write(c);
  const dx = subject.backward(dy, step);
  const gradients: [string, Float64Array, ArrayLike<number>][] = [['x', x, await dx.read()]];
  for (const [parameter, value] of values)
    gradients.push([parameter.name, value, await parameter.grad.read()]);
  expect(await input.read()).toEqual(x);
  step.release(dx);
  expect([step.savedCount, step.arena.inUse]).toEqual([0, before]);

  for (const [name, array, gradient] of gradients) {
    const size = Math.max(...Array.from(gradient, Math.abs));
    for (let i = 0; i < array.length; i++) {
      const expected = await centralDifference(array, i, objective);
      expect(
        Math.abs(gradient[i]! - expected) / size,
        `d${name}[${i}] ${gradient[i]} ${expected}`,
      ).toBeLessThan(1e-6);
    }
  }
}

const config = llamaConfig({
  dim: 6,
  nLayers: 1,
  nHeads: 2,
  nKvHeads: 1,
  headDim: 4,
  ffnDim: 7,
  vocabSize: 9,
  contextLength: 16,
});

function alone(
  parameters: ParameterSpace | undefined,
  layer: Layer,
  width: number,
  outputs = width,
): Subject {
  return {
    parameters,
    inputs: width,
    outputs,
    forward: (x, step) => layer.forward(x, step),
    backward(dy, step) {
      const dx = layer.backward(dy, step);
      step.release(dy);
      return dx;
    },
  };
}

const makers: Record<string, (device: Device) => Subject> = {
  Linear(device) {
    const layer = new Linear({ device, name: 'w', inFeatures: 3, outFeatures: 4 });
    return alone(layer.parameters, layer, 3, 4);
  },
  'Linear with a bias'(device) {
    const layer = new Linear({ device, name: 'w.weight', inFeatures: 3, outFeatures: 4, bias: true });
    expect(layer.parameters.parameters.map(({ name }) => name)).toEqual(['w.weight', 'w.bias']);
    return alone(layer.parameters, layer, 3, 4);
  },
  'Linear with a residual'(device) {
    const layer = new Linear({ device, name: 'w', inFeatures: 3, outFeatures: 3 });
    return alone(
      layer.parameters,
      {
        forward: (x, step) => layer.forward(x, step, x),
        backward(dy, step) {
          const dx = step.empty(dy.shape);
          device.kernels.cast(dx, dy);
          return layer.backward(dy, step, dx);
        },
      },
      3,
    );
  },
  RMSNorm(device) {
    const layer = new RMSNorm({ device, name: 'g', dim: 5, eps: 1e-3 });
    return alone(layer.parameters, layer, 5);
  },
  SwiGLU(device) {
    const layer = new SwiGLU();
    return alone(
      undefined,
      {
        forward: (x, step) => layer.forward(x, x, step),
        backward(dy, step) {
          const { dgate, dup } = layer.backward(dy, step);
          device.kernels.add(dgate, dgate, dup);
          step.release(dup);
          return dgate;
        },
      },
      4,
    );
  },
  FeedForward(device) {
    const layer = new FeedForward({ device, name: 'f', dim: 4, ffnDim: 5 });
    return alone(layer.parameters, layer, 4);
  },
  'FeedForward with biases'(device) {
    const layer = new FeedForward({ device, name: 'f', dim: 4, ffnDim: 5, bias: true });
    return alone(layer.parameters, layer, 4);
  },
  TransformerBlock(device) {
    const rope = new RotaryEmbedding({ device, headDim: config.headDim });
    const parameters = new ParameterSpace(device);
    const layer = new TransformerBlock({ parameters, config, index: 0, rope, factories: defaultFactories });
    // A block takes dy over.
    return { ...alone(parameters, layer, 6), backward: (dy, step) => layer.backward(dy, step) };
  },
};

for (const [name, nHeads, nKvHeads, pairing, bias, window] of [
  ['MHA', 2, 2, 'half', undefined, undefined],
  ['GQA', 4, 2, 'adjacent', undefined, undefined],
  ['MQA', 3, 1, 'adjacent', undefined, undefined],
  ['biases of query, key and value', 2, 1, 'adjacent', 'qkv', undefined],
  ['biases and a window', 2, 1, 'half', 'all', 2],
] as const) {
  makers[`Attention, ${name}`] = (device) => {
    const scaling = { factor: 4, lowFreqFactor: 1, highFreqFactor: 4, originalContextLength: 16 };
    const rope = new RotaryEmbedding({ device, headDim: 4, theta: 100, scaling, pairing });
    const layer = new Attention({ device, name: 'a', dim: 5, nHeads, nKvHeads, rope, bias, window });
    return alone(layer.parameters, layer, 5);
  };
}

describe('central differences through each layer, in float64', () => {
  test.each(Object.entries(makers))('%s', async (_, make) => {
    using device = reference();
    await checkGradients(device, make(device));
  });

  test.each(Object.entries(makers))(
    '%s, packed sequences at given positions, everything recomputed',
    async (_, make) => {
      using device = reference();
      await checkGradients(device, make(device), {
        segments: [0, 2, 5],
        positions: [7, 8, 0, 1, 2],
        recompute: 'full',
      });
    },
  );

  test('Embedding', async () => {
    using device = reference();
    const layer = new Embedding({ device, name: 'e', vocabSize: 4, dim: 3 });
    layer.parameters.allocate({ dtype: 'f64', gradients: true });
    layer.weight.value.write(randomArray(12, 3));
    using step = openStep(device, { rows: 3, dtype: 'f64', training: true });
    const y = layer.forward(step.integers([2, 0, 2]), step);
    const table = await layer.weight.value.read();
    expect(await y.read()).toEqual(
      Float64Array.of(...table.slice(6, 9), ...table.slice(0, 3), ...table.slice(6, 9)),
    );
    layer.backward(step.empty([3, 3]).write([1, 2, 3, 10, 20, 30, 100, 200, 300]), step);
    expect(Array.from(await layer.weight.grad.read())).toEqual([10, 20, 30, 0, 0, 0, 101, 202, 303, 0, 0, 0]);
    expect(step.savedCount).toBe(0);
  });

  test('LinearCrossEntropy', async () => {
    using device = reference();
    const output = new Linear({ device, name: 'w', inFeatures: 4, outFeatures: 7 });
    const layer = new LinearCrossEntropy({ output });
    output.parameters.allocate({ dtype: 'f64', gradients: true });
    const [x, w] = [randomArray(rows * 4, 1), randomArray(28, 2)];
    const targets = randomIds(rows, 8, 7).fill(-100, 1, 2);
    const run = async (training: boolean) => {
      output.weight.value.write(w);
      using step = openStep(device, { rows, dtype: 'f64', training });
      const losses = layer.forward(step.empty([rows, 4]).write(x), step.integers(targets), step);
      const dx = training ? await layer.backward(step).read() : undefined;
      return { losses: await losses.read(), dx };
    };
    const total = async () => sum((await run(false)).losses);
    const { losses, dx } = await run(true);
    expect(losses[1]).toBe(0);
    for (const [array, gradient] of [
      [x, dx!],
      [w, await output.weight.grad.read()],
    ] as const) {
      for (let i = 0; i < array.length; i++) {
        expect(gradient[i]).toBeCloseTo(await centralDifference(array, i, total), 8);
      }
    }
  });
});

describe('layers alone', () => {
  test('need a home for their parameters', () => {
    // @ts-expect-error: neither parameters nor device
    expect(() => new Linear({ name: 'w', inFeatures: 1, outFeatures: 1 })).toThrow(
      '[linear] neither parameters nor device was given.',
    );
  });
});
