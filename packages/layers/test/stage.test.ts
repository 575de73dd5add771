import { openStep, reference } from '@cria/tensor';
import { describe, expect, test } from 'vitest';
import {
  defaultFactories,
  type Factories,
  Linear,
  type LinearLayer,
  Llama,
  LlamaStage,
  type StageOptions,
} from '../src/index.ts';
import { devices } from './support/devices.ts';
import { shapes } from './support/models.ts';
import { expectClose, randomIds } from './support/numbers.ts';
import { TestCache } from './support/paged-cache.ts';

/* A model in stages, as a pipeline has it, against the whole; and what the factories of a model are asked for. */

const rows = 7;

describe.each(Object.entries(shapes))('%s in stages', (_, config) => {
  const ids = [...randomIds(rows, 3, config.vocabSize)];
  const targets = [...randomIds(rows, 4, config.vocabSize)].fill(-100, 2, 3);
  const options = { rows, dtype: 'f64', training: true, segments: [0, 4, rows] } as const;

  test.each(['none', 'full'] as const)('is the whole, recompute %s', async (recompute) => {
    using device = reference();
    using whole = new Llama(config, { device });
    const cuts = [0, 1, config.nLayers];
    const stages = cuts.slice(1).map((to, i) => new LlamaStage(config, { device, from: cuts[i]!, to }));
    for (const { parameters } of [whole, ...stages]) {
      parameters.allocate({ dtype: 'f64', gradients: true });
      parameters.initialize(5);
    }
    using step = openStep(device, { ...options, recompute });
    const expected = whole.loss(whole.tokens(ids, step), whole.targets(targets, step), step);
    whole.backward(step);

    const [first, last] = stages as [LlamaStage, LlamaStage];
    using one = openStep(device, { ...options, recompute });
    using two = openStep(device, { ...options, recompute });
    const hidden = first.forward(whole.tokens(ids, one), one);
    const losses = last.loss(hidden, whole.targets(targets, two), two);
    const dhidden = last.backward(two)!;
    expect(first.backward(one, dhidden)).toBeUndefined();
    expect(await losses.read()).toEqual(await expected.read());
    expect([one.savedCount, two.savedCount]).toEqual([0, 0]);

    const seen = new Set<string>();
    for (const { name, grad, value } of whole.parameters.parameters) {
      const own = stages.flatMap(({ parameters }) => parameters.get(name) ?? []);
      for (const each of own) expect(await each.value.read()).toEqual(await value.read());
      const parts = await Promise.all(own.map(async (each) => [...(await each.grad.read())]));
      const sum = parts[0]!.map((_, i) => parts.reduce((all, part) => all + part[i]!, 0));
      // No sum of a pipeline is another, but that of a table at both ends, which comes from two gradients.
      if (own.length === 1) expect(sum, name).toEqual([...(await grad.read())]);
      else expectClose(sum, [...(await grad.read())], 1e-13, name);
      if (own.length > 1) seen.add(name);
    }
    expect([...seen]).toEqual(config.tiedEmbeddings ? ['tok_embeddings.weight'] : []);
    expect(stages.map(({ tied }) => tied?.name)).toEqual(
      stages.map(() => (config.tiedEmbeddings ? 'tok_embeddings.weight' : undefined)),
    );
    for (const stage of stages) stage[Symbol.dispose]();
  });
});

describe('a stage alone', () => {
  const config = shapes['mqa']!;
  const make = (options: Omit<StageOptions, 'device'>) => {
    const stage = new LlamaStage(config, { device: reference(), ...options });
    stage.parameters.allocate();
    return stage;
  };

  test('has the parts of its blocks, under the names of the whole', () => {
    const names = (stage: LlamaStage) => stage.parameters.parameters.map(({ name }) => name.split('.')[1]!);
    expect(new Set(names(make({ from: 1, to: 2 })))).toEqual(new Set(['1']));
    const last = make({ from: 2 });
    expect(last.embedding).toBeUndefined();
    expect(last.parameters.get('output.weight')).toBe(last.head!.output.weight);
    expect(make({ to: 1 }).head).toBeUndefined();
  });

  test('refuses what it does not take', () => {
    expect(() => make({ from: 2, to: 2 })).toThrow('blocks 2 to 2 are no stage of a model of 3');
    expect(() => make({ to: 4 })).toThrow('blocks 0 to 4 are no stage');
    expect(() => make({ to: 2.5 })).toThrow('blocks 0 to 2.5 are no stage');
    const middle = make({ from: 1, to: 2 });
    using step = openStep(middle.device, { rows: 2, training: true });
    const tokens = step.integers([1, 2]);
    expect(() => middle.forward(tokens, step)).toThrow('this stage takes hidden states, not i32[2]');
    expect(() => middle.loss(step.empty([2, config.dim]), tokens, step)).toThrow('this stage has no head');
    expect(() => middle.backward(step)).toThrow('this stage has no losses to begin with');
    const first = make({ to: 1 });
    using other = openStep(first.device, { rows: 2 });
    expect(() => first.forward(other.empty([2, config.dim]), other)).toThrow(
      'this stage takes token ids, not f32[2',
    );
  });
});

/** Twice what the weight says: an adapter that a loss must not pass by. */
class Doubled implements LinearLayer {
  readonly own: Linear;

  constructor(own: Linear) {
    this.own = own;
  }

  get weight() {
    return this.own.weight;
  }

  forward(...[x, step]: Parameters<LinearLayer['forward']>) {
    const y = this.own.forward(x, step);
    step.device.kernels.add(y, y, y);
    return y;
  }

  backward(): never {
    throw new Error('not asked for');
  }

  pack(): void {}
  free(): void {}
}

describe('the output layer', () => {
  const config = shapes['gqa']!;

  test('that is more than a weight must take the cross entropy itself', async () => {
    using device = reference();
    const linear: Factories['linear'] = (options) =>
      options.part === 'output' ? new Doubled(new Linear(options)) : new Linear(options);
    expect(() => new Llama(config, { device, factories: { linear } })).toThrow(
      '[linearCrossEntropy] the output layer takes no cross entropy. hint: give it crossEntropy()',
    );
    const asked: string[] = [];
    class WithLoss extends Doubled {
      crossEntropy(...[x, targets, step]: Parameters<NonNullable<LinearLayer['crossEntropy']>>) {
        asked.push('crossEntropy');
        return this.own.crossEntropy(x, targets, step);
      }
    }
    const made: Factories['linear'] = (options) =>
      options.part === 'output' ? new WithLoss(new Linear(options)) : new Linear(options);
    using model = new Llama(config, { device, factories: { linear: made } });
    model.parameters.allocate();
    using step = openStep(device, { rows: 1 });
    model.loss(model.tokens([1], step), model.targets([2], step), step);
    expect(asked).toEqual(['crossEntropy']);
    // And one that inherits it, but says that its forward is not its weight alone, is refused instead of passed by.
    class Inheriting extends Linear {
      override get operand() {
        return undefined;
      }
    }
    const layer = new Inheriting({ device, name: 'w', inFeatures: 2, outFeatures: 3 });
    layer.parameters.allocate();
    expect(() => layer.crossEntropy(step.empty([1, 2]), step.integers([1]), step)).toThrow(
      'more than its weight',
    );
  });
});

describe.each(devices)('factories on $name', ({ name, open }) => {
  test.runIf(name.startsWith('cpu'))('that repeat keep recordings, others encode every step', async () => {
    const config = shapes['gqa']!;
    const encoded = async (factories: Partial<Factories> | undefined) => {
      using device = open();
      using model = new Llama(config, { device, ...(factories && { factories }) });
      model.parameters.allocate();
      model.parameters.initialize(3);
      let count = 0;
      const { linear } = device.kernels;
      device.kernels.linear = (...args) => (count++, linear(...args));
      const cache = new TestCache(device, config, 1);
      for (let i = 0; i < 12; i++) {
        using step = openStep(device, { rows: 1, cache: cache.append([{ sequence: 0, tokens: [i] }]) });
        await model.predict([i], step).read();
      }
      return count / (2 * config.nLayers + 1);
    };
    expect(await encoded(undefined)).toBeLessThan(6);
    expect(await encoded({ ...defaultFactories, repeats: true })).toBe(await encoded(undefined));
    expect(await encoded({ norm: defaultFactories.norm })).toBe(12);
  });
});
