import { bf16ToNumber, type Device, numberToBf16, openStep, ParameterSpace, reference } from '@cria/tensor';
import { describe, expect, test } from 'vitest';
import {
  AdamW,
  checkFinite,
  clipFactor,
  gradientNorm,
  nonFiniteGradients,
  trainableRanges,
} from '../src/index.ts';
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
  space.allocate({ dtype, gradients, moments: true });
  space.initialize(3);
  return space;
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
    for (const name of ['values', 'firstMoments', 'secondMoments'] as const)
      second[name].write(await first[name].toFloat32());
    const after = new AdamW(second);
    after.state = before.state;
    run(second, after, [3, 4]);
    for (const name of ['values', 'firstMoments', 'secondMoments'] as const) {
      expect(await second[name].read()).toEqual(await whole[name].read());
    }
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
    for (const name of ['values', 'firstMoments', 'secondMoments'] as const)
      expect(await borrowing[name].read()).toEqual(await flat[name].read());
    borrowing.get('matrix')!.grad.write(new Float32Array(77).fill(Infinity));
    expect(await gradientNorm(borrowing)).toBe(Infinity);
    expect(await nonFiniteGradients(borrowing)).toEqual(['matrix']);
  });

  test('what has no gradient stays as it is', async () => {
    using device = open();
    const space = makeSpace(device);
    const matrix = space.get('matrix')!;
    matrix.grad = undefined;
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
      expect(checkFinite({ loss: 3, 'gradient norm': norm })).toEqual({
        finite: false,
        which: 'gradient norm',
        value: norm,
      });
      expect(await nonFiniteGradients(space)).toEqual(['matrix']);
      expect(() => clipFactor(norm, 1)).toThrow('skip this update');
    }
  });
});

test('two linear passes where everything is trained', () => {
  using device = reference();
  const space = makeSpace(device);
  expect(trainableRanges(space)).toMatchObject([
    { start: 0, end: space.decayedSize, decay: true },
    { start: space.decayedSize, end: space.size, decay: false },
  ]);
});

test('clipping, as torch does it', () => {
  expect(clipFactor(0.5, 1)).toBe(1);
  expect(clipFactor(4, 1)).toBe(1 / (4 + 1e-6));
  expect(clipFactor(4, Infinity)).toBe(1);
  expect(checkFinite({ loss: 1, norm: 2 })).toEqual({ finite: true });
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
  expect(() => (optimizer.state = { updates: -1 })).toThrow('updates is -1');
  const half = new ParameterSpace(device);
  half.add('w', [2, 2], { init: { constant: 0 }, decay: true });
  half.allocate({ dtype: 'bf16', gradients: true });
  expect(() => new AdamW(half)).toThrow('the parameters are bf16 without masters');
});
