import {
  bf16ToNumber,
  type Device,
  numberToBf16,
  openStep,
  type Parameter,
  ParameterSpace,
  reference,
  ReferenceDevice,
  type Tensor,
} from '@cria/tensor';
import { describe, expect, test } from 'vitest';
import { AdamW, clipFactor, gradientNorm, nonFiniteGradients, trainableRanges } from '../src/index.ts';
import { devices } from './support/devices.ts';

/** A matrix and an embedding with decay, a gain without, none of them a multiple of the alignment. */
function makeSpace(
  device: Device,
  dtype: 'f32' | 'f64' | 'bf16' = 'f32',
  gradients: true | 'borrowed' = true,
): ParameterSpace {
  const space = new ParameterSpace(device);
  space.add('gain', [5], { init: { constant: 1 }, decay: false });
  space.add('matrix', [7, 11], { init: { normal: 0.5 }, decay: true });
  space.add('embedding', [13, 5], { init: { normal: 0.5 }, decay: true });
  space.allocate({ dtype, gradients, states: ['exp_avg', 'exp_avg_sq'] });
  space.initialize(3);
  return space;
}

/** Values and states. */
function flats({ values, states }: ParameterSpace): Tensor[] {
  return [values, ...AdamW.states.map((name) => states.get(name).whole)];
}

function writeGradients(space: ParameterSpace, update: number): void {
  for (const [i, parameter] of space.parameters.entries()) {
    parameter.grad.write(
      Float64Array.from({ length: parameter.size }, (_, j) =>
        Math.fround(Math.sin(update * 7 + i * 3 + j) * 10 ** ((j % 5) - 3)),
      ),
    );
  }
}

/** Algorithm 2 of Loshchilov & Hutter once more, in float64 and one element at a time. */
function oracle(
  value: number,
  gradients: readonly number[],
  rates: readonly number[],
  decay: number,
  scale: number,
): number {
  let [m, v] = [0, 0];
  for (const [i, raw] of gradients.entries()) {
    const g = raw * scale;
    const t = i + 1;
    m = 0.9 * m + 0.1 * g;
    v = 0.95 * v + 0.05 * g * g;
    const update = m / (1 - 0.9 ** t) / (Math.sqrt(v / (1 - 0.95 ** t)) + 1e-8);
    value = value - rates[i]! * decay * value - rates[i]! * update;
  }
  return value;
}

/** Five updates of every element, decayed and not. */
async function checkUpdates(device: Device, dtype: 'f32' | 'f64' | 'bf16', tolerance: number): Promise<void> {
  const space = makeSpace(device, dtype);
  const start = await space.masters.read();
  const optimizer = new AdamW(space);
  const gradients: ArrayLike<number>[] = [];
  const rates = [0.1, 0.2, 0.3, 0.05, 0.01];
  for (const [i, learningRate] of rates.entries()) {
    writeGradients(space, i);
    gradients.push(await space.gradients.read());
    optimizer.step({ learningRate, gradientScale: 0.25 });
  }
  const values = await space.masters.read();
  for (const parameter of space.parameters) {
    const first = space.offsetOf(parameter);
    for (let i = first; i < first + parameter.size; i++) {
      const own = gradients.map((each) => each[i]!);
      const expected = oracle(start[i]!, own, rates, parameter.decay ? 0.1 : 0, 0.25);
      expect(Math.abs(values[i]! - expected), `${parameter.name}[${i - first}]`).toBeLessThan(tolerance);
    }
  }
  expect(optimizer.updates).toBe(5);
}

test('AdamW in float64, to the last digits', async () => {
  using device = reference();
  await checkUpdates(device, 'f64', 1e-14);
});

describe.each(devices)('AdamW on $name', ({ open }) => {
  test('five updates of every element, decayed and not', async () => {
    using device = open();
    await checkUpdates(device, 'f32', 2e-6);
  });

  test('halves: masters take the updates, values are masters rounded', async () => {
    using device = open();
    await checkUpdates(device, 'bf16', 2e-6);
    const [half, wide] = [makeSpace(device, 'bf16'), makeSpace(device)];
    for (const space of [half, wide]) {
      const optimizer = new AdamW(space);
      // Updates of a thousandth of a value, which halves alone would lose.
      for (const update of [1, 2, 3]) {
        writeGradients(space, update);
        optimizer.step({ learningRate: 1e-4 });
      }
    }
    expect(await half.masters.read()).toEqual(await wide.values.read());
    expect(await half.values.toFloat32()).toEqual(
      (await wide.values.toFloat32()).map((value) => bf16ToNumber(numberToBf16(value))),
    );
  });

  test('goes on from a saved state with the same bits', async () => {
    using device = open();
    const [whole, first, second] = [makeSpace(device), makeSpace(device), makeSpace(device)];
    const run = (space: ParameterSpace, optimizer: AdamW, updates: readonly number[]) => {
      for (const update of updates) {
        writeGradients(space, update);
        optimizer.step({ learningRate: 0.1 });
      }
    };
    run(whole, new AdamW(whole), [1, 2, 3, 4]);
    const before = new AdamW(first);
    run(first, before, [1, 2]);
    for (const [i, flat] of flats(second).entries()) flat.write(await flats(first)[i]!.toFloat32());
    const after = new AdamW(second);
    after.counters = before.counters;
    run(second, after, [3, 4]);
    for (const [i, flat] of flats(second).entries())
      expect(await flat.read()).toEqual(await flats(whole)[i]!.read());
  });

  test('borrowed gradients: the same updates as from a flat space, and the norm of all', async () => {
    using device = open();
    const [flat, borrowing] = [makeSpace(device), makeSpace(device, 'f32', 'borrowed')];
    const [one, other] = [new AdamW(flat), new AdamW(borrowing)];
    expect(() => other.step({ learningRate: 1 })).toThrow('gain has no gradient yet');
    for (const update of [1, 2]) {
      borrowing.clearGradients();
      using step = openStep(device, { rows: 1 });
      for (const parameter of borrowing.parameters) step.gradient(parameter);
      for (const space of [flat, borrowing]) writeGradients(space, update);
      const norm = await gradientNorm(flat);
      expect(Math.abs((await gradientNorm(borrowing)) / norm - 1)).toBeLessThan(1e-6);
      one.step({ learningRate: 0.1 });
      other.step({ learningRate: 0.1 });
    }
    for (const [i, each] of flats(borrowing).entries())
      expect(await each.read()).toEqual(await flats(flat)[i]!.read());
    borrowing.get('matrix')!.grad.write(new Float32Array(77).fill(Infinity));
    expect(await gradientNorm(borrowing)).toBe(Infinity);
    expect(await nonFiniteGradients(borrowing)).toEqual(['matrix']);
  });

  test('what has no gradient stays as it is', async () => {
    using device = open();
    const space = makeSpace(device);
    const matrix = space.get('matrix')!;
    matrix.frozen = true;
    const before = await matrix.value.read();
    const others = await space.get('embedding')!.value.read();
    new AdamW(space).step({ learningRate: 0.1 });
    expect(await matrix.value.read()).toEqual(before);
    expect(await space.get('embedding')!.value.read()).not.toEqual(others);
  });

  test('norm of all gradients, and which of them are broken', async () => {
    using device = open();
    const space = makeSpace(device);
    for (const parameter of space.parameters) device.kernels.fill(parameter.grad, 2);
    const { allocated } = device.memory;
    expect(await gradientNorm(space)).toBeCloseTo(Math.sqrt(4 * space.count), 4);
    expect(await nonFiniteGradients(space)).toEqual([]);
    expect(device.memory.allocated).toBe(allocated);
    for (const bad of [Number.NaN, Infinity, -Infinity]) {
      space.get('matrix')!.grad.slice(6, 7).write(new Float32Array(11).fill(bad));
      const norm = await gradientNorm(space);
      expect(Number.isFinite(norm)).toBe(false);
      expect(await nonFiniteGradients(space)).toEqual(['matrix']);
      expect(() => clipFactor(norm, 1)).toThrow('skip this update');
    }
  });
});

test('two linear passes where everything is trained', () => {
  using device = reference();
  const space = makeSpace(device);
  expect(trainableRanges(space)).toMatchObject([
    { begin: 0, end: space.decayedSize, decay: true },
    { begin: space.decayedSize, end: space.size, decay: false },
  ]);
});

test('clipping, as torch does it', () => {
  expect(clipFactor(0.5, 1)).toBe(1);
  expect(clipFactor(4, 1)).toBe(1 / (4 + 1e-6));
  expect(clipFactor(4, Infinity)).toBe(1);
  expect(() => clipFactor(1, 0)).toThrow('maxNorm is 0');
});

test('what cannot be is refused', () => {
  using device = reference();
  const space = makeSpace(device);
  // @ts-expect-error: a misspelt option
  expect(() => new AdamW(space, { beta3: 0.9 })).toThrow('did you mean "beta1"?');
  expect(() => new AdamW(space, { beta2: 1 })).toThrow('beta2 is 1');
  expect(() => new AdamW(space, { epsilon: 0 })).toThrow('epsilon is 0');
  const optimizer = new AdamW(space);
  expect(() => optimizer.step({ learningRate: Number.NaN })).toThrow('learningRate is NaN');
  expect(() => optimizer.step({ learningRate: 1, gradientScale: Infinity })).toThrow(
    'gradientScale is Infinity',
  );
  expect(optimizer.updates).toBe(0);
  expect(() => (optimizer.counters = { updates: -1 })).toThrow('updates is -1');
  const half = new ParameterSpace(device);
  half.add('w', [2, 2], { init: { constant: 0 }, decay: true });
  expect(() => new AdamW(half)).toThrow('[parameters.values] no memory yet');
});

/** As a device with small storages, where tensors begin at multiples of 256 bytes. */
class NarrowDevice extends ReferenceDevice {
  override readonly abilities = { ...reference().abilities, storageLimit: 1 << 10, offsetAlignment: 256 };
}

describe.each([true, 'borrowed'] as const)('a space in segments, gradients %s', (gradients) => {
  test('gives the updates, norms and values of one in one piece', async () => {
    using wide = reference();
    using narrow = new NarrowDevice();
    const results = [];
    for (const [device, dtype] of [
      [wide, 'f32'],
      [narrow, 'f32'],
      [wide, 'bf16'],
      [narrow, 'bf16'],
    ] as const) {
      const space = makeSpace(device, dtype, gradients);
      if (device === narrow) expect(space.segments.length).toBeGreaterThan(1);
      const optimizer = new AdamW(space);
      using step = openStep(device, { rows: 1 });
      for (const parameter of space.parameters) step.gradient(parameter);
      writeGradients(space, 1);
      const norm = await gradientNorm(space);
      optimizer.step({ learningRate: 0.1 });
      const values: Record<string, ArrayLike<number>> = {};
      for (const parameter of space.parameters) {
        values[parameter.name] = await parameter.value.read();
        values[`${parameter.name} master`] = await space.master(parameter).read();
      }
      results.push({ norm: Math.fround(norm).toPrecision(6), values });
    }
    expect(results[1]).toEqual(results[0]);
    expect(results[3]).toEqual(results[2]);
    expect(() => makeSpace(narrow).values).toThrow('lies in 2 segments');
    const large = new ParameterSpace(narrow);
    large.add('w', [300], { init: { constant: 0 }, decay: true });
    expect(() => large.allocate()).toThrow('w has 300 elements, a storage of this device 256.');
  });

  test('ranges that ranks share make one update, and their squares one norm', async () => {
    using device = reference();
    const [whole, shared] = [makeSpace(device, 'f32', gradients), makeSpace(device, 'f32', gradients)];
    using step = openStep(device, { rows: 1 });
    for (const space of [whole, shared]) {
      for (const parameter of space.parameters) step.gradient(parameter);
      writeGradients(space, 1);
    }
    new AdamW(whole).step({ learningRate: 0.1 });
    const edges = [0, 1, 70, 130, shared.size]; // in the middle of parameters, and of padding
    let squares = 0;
    for (const [i, end] of edges.slice(1).entries()) {
      const ranges = [{ begin: edges[i]!, end }];
      new AdamW(shared).step({ learningRate: 0.1 }, ranges);
      squares += (await gradientNorm(shared, ranges)) ** 2;
    }
    for (const [i, flat] of flats(shared).entries())
      expect(await flat.read()).toEqual(await flats(whole)[i]!.read());
    expect(Math.sqrt(squares)).toBeCloseTo(await gradientNorm(whole), 4);
  });
});

test('frozen parameters take no place, quantised ones neither, and nothing changes them', async () => {
  using device = reference();
  const space = new ParameterSpace(device);
  const options = { init: { normal: 0.5 }, decay: true };
  const [base, adapter, table] = ['base', 'adapter', 'table'].map((name) =>
    space.add(name, [4, 32], options),
  ) as [Parameter, Parameter, Parameter];
  base.value = device.tensor(new Uint8Array(4 * 34).fill(3), [4, 32], 'q8_0');
  expect(() => space.allocate()).toThrow('base has a value already. hint: freeze it');
  base.frozen = table.frozen = true;
  space.allocate({ gradients: true });
  space.initialize(1);
  const optimizer = new AdamW(space);
  expect([space.size, space.states.get('exp_avg').whole.size]).toEqual([128, 128]);
  expect(space.placed).toEqual([adapter]);
  expect([base.trainable, adapter.trainable, table.trainable]).toEqual([false, true, false]);
  expect(() => base.grad).toThrow('[parameter.grad] base is frozen.');
  const before = [await base.value.read(), await table.value.read(), await adapter.value.read()];
  expect(Math.max(...(before[1] as Float32Array))).toBeGreaterThan(0); // it was drawn
  device.kernels.fill(adapter.grad, 1);
  expect(await gradientNorm(space)).toBeCloseTo(Math.sqrt(128), 4);
  optimizer.step({ learningRate: 0.1 });
  expect([await base.value.read(), await table.value.read()]).toEqual(before.slice(0, 2));
  expect(await adapter.value.read()).not.toEqual(before[2]);
  space.clearGradients();
  expect(await adapter.grad.toFloat32()).toEqual(new Float32Array(128));
});
