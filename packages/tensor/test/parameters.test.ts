import { expect, test } from 'vitest';
import {
  type AllocateOptions,
  bf16ToNumber,
  numberToBf16,
  openStep,
  type ParameterOptions,
  ParameterSpace,
  reference,
  type Shape,
} from '@cria/tensor';

const matrix = { init: { normal: 0.02 }, decay: true } as const;
const gain = { init: { constant: 1 }, decay: false } as const;

function spaceOf(
  parameters: [string, Shape, ParameterOptions][],
  options: AllocateOptions = {},
): ParameterSpace {
  const space = new ParameterSpace(reference());
  for (const each of parameters) space.add(...each);
  space.allocate(options);
  return space;
}

const SOME: [string, Shape, ParameterOptions][] = [
  ['norm', [5], gain],
  ['w', [7, 11], matrix],
  ['last', [3], gain],
  ['v', [64, 2], matrix],
];

test('decayed parameters come first, each at a multiple of 64 elements', () => {
  const space = spaceOf(SOME, { gradients: true, states: ['exp_avg', 'exp_avg_sq'], dtype: 'bf16' });
  const offsets = space.parameters.map((parameter) => [parameter.name, space.offsetOf(parameter)]);
  expect(offsets).toEqual([
    ['norm', 256],
    ['w', 0],
    ['last', 320],
    ['v', 128],
  ]);
  expect([space.count, space.size, space.decayedSize]).toEqual([5 + 77 + 3 + 128, 384, 256]);
  const w = space.get('w')!;
  const v = space.get('v')!;
  expect([v.value.offset, v.grad.offset]).toEqual([256, 512]);
  expect([v.value.storage, v.grad.storage]).toEqual([space.values.storage, space.gradients.storage]);
  expect([
    w.value.dtype,
    w.grad.dtype,
    space.states.get('exp_avg').dtype,
    space.states.get('exp_avg_sq').whole.size,
  ]).toEqual(['bf16', 'f32', 'f32', 384]);
  expect(space.view(space.states.get('exp_avg_sq'), v).shape).toEqual([64, 2]);
  const before = space.device.memory.allocated;
  space.free();
  expect(before - space.device.memory.allocated).toBe(384 * (2 + 4 + 4 + 4 + 4));
});

test('initial values depend on seed and name alone', async () => {
  const values = async (order: typeof SOME, options: AllocateOptions, seed: number) => {
    const space = spaceOf(order, options);
    space.initialize(seed);
    return { w: await space.get('w')!.value.toFloat32(), norm: await space.get('norm')!.value.toFloat32() };
  };
  const plain = await values(SOME, {}, 5);
  expect(await values([...SOME].reverse(), { gradients: true }, 5)).toEqual(plain);
  expect(await values(SOME, { dtype: 'f64' }, 5)).toEqual(plain);
  expect(await values(SOME, {}, 6)).not.toEqual(plain);
  expect(plain.norm).toEqual(new Float32Array(5).fill(1));
  const { w } = plain;
  const std = Math.sqrt(w.reduce((sum, value) => sum + value * value, 0) / w.length);
  expect(std).toBeGreaterThan(0.014);
  expect(std).toBeLessThan(0.026);
});

test.each([
  [
    [24, 10],
    [7, 10],
    [5, 0],
  ],
  [
    [24, 10],
    [24, 3],
    [0, 6],
  ],
  [
    [24, 10],
    [5, 1],
    [19, 9],
  ],
  [
    [6, 5, 4],
    [3, 2, 4],
    [1, 3, 0],
  ],
  [[40], [9], [31]],
] as [Shape, Shape, number[]][])(
  'a part of %j of shape %j from %j on is drawn as in the whole',
  async (of, shape, begin) => {
    const draw = async (...parameter: [Shape, ParameterOptions]) => {
      const space = spaceOf([['w', ...parameter]]);
      space.initialize(3);
      return space.get('w')!.value.toFloat32();
    };
    const whole = await draw(of, matrix);
    // Element by element, by the coordinates of both.
    const expected = Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => {
      let [rest, at, stride] = [i, 0, 1];
      for (let axis = of.length - 1; axis >= 0; axis--) {
        at += (begin[axis]! + (rest % shape[axis]!)) * stride;
        rest = Math.floor(rest / shape[axis]!);
        stride *= of[axis]!;
      }
      return whole[at];
    });
    expect([...(await draw(shape, { ...matrix, part: { of, begin } }))]).toEqual(expected);
    const outside = begin.map((first, axis) => first + of[axis]!);
    expect(() => spaceOf([['w', shape, { ...matrix, part: { of, begin: outside } }]])).toThrow(
      /^\[parameters.add\] w of shape .* is no part of/,
    );
  },
);

test.each([true, 'borrowed'] as const)(
  'what is added later comes last, when the gradient is asked for (%s)',
  async (gradients) => {
    const space = spaceOf([['w', [2, 3], matrix]], { gradients });
    const { device } = space;
    const w = space.get('w')!;
    let arena;
    for (const value of [1, 2]) {
      using step = openStep(device, { rows: 1 });
      arena = step.arena;
      const term = step.empty([2, 3]).write(new Float32Array(6).fill(value));
      step.addLater(w, (grad) => device.kernels.add(grad, grad, term), [term]);
      step.release(term);
      device.kernels.fill(step.gradient(w), 10 * value);
    }
    // The second pass has replaced what was there, and both terms come after it.
    expect(await w.grad.toFloat32()).toEqual(new Float32Array(6).fill(23));
    if (gradients === true) expect((await space.gradients.toFloat32())[5]).toBe(23);
    space.clearGradients();
    expect(arena!.inUse).toBe(0);
    {
      using step = openStep(device, { rows: 1 });
      const term = step.empty([2, 3]).write(new Float32Array(6).fill(5));
      step.addLater(w, (grad) => device.kernels.add(grad, grad, term), [term]);
    }
    space.clearGradients(); // forgotten, and its memory is back
    expect(arena!.inUse).toBe(0);
    using step = openStep(device, { rows: 1 });
    expect(await step.gradient(w).toFloat32()).toEqual(new Float32Array(6));
  },
);

test('halves that are trained are f32 masters, rounded', async () => {
  const space = spaceOf(SOME, { dtype: 'bf16', gradients: true, states: ['exp_avg', 'exp_avg_sq'] });
  const wide = spaceOf(SOME, { gradients: true, states: ['exp_avg', 'exp_avg_sq'] });
  for (const each of [space, wide]) each.initialize(5);
  expect([space.hasMasters, wide.hasMasters]).toEqual([true, false]);
  expect(wide.masters).toBe(wide.values);
  expect(await space.masters.read()).toEqual(await wide.values.read());
  const rounded = (value: number) => bf16ToNumber(numberToBf16(value));
  expect(await space.values.toFloat32()).toEqual((await wide.values.toFloat32()).map(rounded));
  const w = space.get('w')!;
  space.master(w).write(new Float32Array(77).fill(1 + 2 ** -8 + 2 ** -12));
  space.roundMasters();
  expect(await w.value.toFloat32()).toEqual(new Float32Array(77).fill(1 + 2 ** -7));
  // For inference there is nothing beside the halves.
  const alone = spaceOf(SOME, { dtype: 'bf16' });
  alone.initialize(5);
  expect(alone.masters).toBe(alone.values);
  expect(await alone.get('norm')!.value.toFloat32()).toEqual(new Float32Array(5).fill(1));
});

test('padding stays zero, gradients are cleared', async () => {
  const space = spaceOf(SOME, { gradients: true });
  space.initialize(1);
  const values = await space.values.toFloat32();
  expect(values.slice(77, 128)).toEqual(new Float32Array(51));
  space.device.kernels.fill(space.gradients, 3);
  space.clearGradients();
  expect(await space.gradients.read()).toEqual(new Float32Array(384));
});

test('borrowed gradients take memory of a step, outlive it, and give it back', async () => {
  const space = spaceOf(SOME, { gradients: 'borrowed', states: ['exp_avg', 'exp_avg_sq'] });
  const { device } = space;
  const [w, norm] = [space.get('w')!, space.get('norm')!];
  expect([w.trainable, space.gradientMemory]).toEqual([true, undefined]);
  expect(() => w.grad).toThrow('[parameter.grad] w has no gradient yet.');
  expect(() => space.gradients).toThrow('there is no flat space of them');
  {
    using step = openStep(device, { rows: 1 });
    step.empty([4096]).write(new Float32Array(4096).fill(NaN)); // what the next tensors find in the memory
  }
  let arena;
  {
    using step = openStep(device, { rows: 1 });
    arena = step.arena;
    const grad = step.gradient(w);
    expect([grad.shape, step.gradient(w) === grad, w.grad === grad]).toEqual([[7, 11], true, true]);
    expect(await grad.read()).toEqual(new Float32Array(77));
    grad.write(new Float32Array(77).fill(2));
  }
  expect(arena.inUse).toBe(512);
  {
    using step = openStep(device, { rows: 1 });
    expect(step.arena).toBe(arena);
    step.empty([4096]).write(new Float32Array(4096).fill(NaN));
    expect(await step.gradient(w).read()).toEqual(new Float32Array(77).fill(2)); // a second pass adds to the first's
    step.gradient(norm);
  }
  space.clearGradients();
  expect([arena.inUse, w.trainable, norm.trainable]).toEqual([0, true, true]);
  expect(() => w.grad).toThrow('w has no gradient yet');
  norm.frozen = true;
  expect([norm.trainable, norm.frozen]).toEqual([false, true]);
  {
    using step = openStep(device, { rows: 1 });
    step.gradient(w);
  }
  space.free();
  expect(arena.inUse).toBe(0);
});

test('large parameters are drawn in pieces that fit together', async () => {
  const rows = 700;
  const space = spaceOf([['w', [rows, 512], matrix]]);
  space.initialize(3);
  const other = spaceOf([['w', [rows * 512], matrix]]);
  other.initialize(3);
  const values = await space.values.toFloat32();
  expect(values).toEqual(await other.values.toFloat32());
  expect(new Set(values.subarray(values.length - 100)).size).toBe(100);
  expect(values.slice(1 << 18, (1 << 18) + 8)).not.toEqual(values.slice(0, 8));
});

test('parameters of other names start with other numbers', async () => {
  const space = spaceOf([
    ['a', [8, 8], matrix],
    ['b', [8, 8], matrix],
  ]);
  space.initialize(1);
  expect(await space.get('a')!.value.read()).not.toEqual(await space.get('b')!.value.read());
});

test('misuse is refused', () => {
  const space = new ParameterSpace(reference());
  const w = space.add('w', [2, 2], matrix);
  expect(() => space.add('w', [1], matrix)).toThrow('[parameters.add] "w" exists already.');
  expect(() => w.value).toThrow('[parameter.value] w has no memory yet.');
  expect(() => space.values).toThrow('[parameters.values] no memory yet.');
  space.allocate();
  expect(() => space.allocate()).toThrow('[parameters.allocate] called twice.');
  expect(() => space.add('x', [1], matrix)).toThrow('"x" comes after allocate().');
  expect(() => w.grad).toThrow('[parameter.grad] w has no gradient.');
  expect(w.trainable).toBe(false);
  expect(() => (w.value = space.device.empty([4], 'f32'))).toThrow('w has shape [2, 2], not [4].');
  expect(() => space.gradients).toThrow('call allocate({ gradients: true })');
  expect(() => space.states.get('exp_avg')).toThrow('there is no state "exp_avg"; there is none.');
  expect(() => new ParameterSpace(reference()).allocate()).toThrow('no parameters were added.');
});
