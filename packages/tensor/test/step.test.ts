import { expect, test, vi } from 'vitest';
import { type Device, openStep, reference, type Step, type StepOptions, type Tensor } from '@cria/tensor';

function withStep(options: StepOptions, run: (step: Step, device: Device) => void): void {
  using device = reference();
  using step = openStep(device, options);
  run(step, device);
}

test('memory returns with the last holder', () => {
  withStep({ rows: 2 }, (step) => {
    const x = step.empty([64]);
    const before = step.arena.inUse;
    step.hold(x);
    step.release(x);
    expect(step.arena.inUse).toBe(before);
    step.release(x);
    expect(step.arena.inUse).toBe(before - 256);
    expect(() => step.release(x)).toThrow(
      '[step.release] a tensor was released more often than it was held.',
    );
  });
});

test('tensors outside the arena are left alone', () => {
  withStep({ rows: 1 }, (step, device) => {
    const x = device.empty([4], 'f32');
    step.hold(x);
    step.release(x, x);
    expect(device.memory.allocated).toBeGreaterThan(0);
  });
});

test('views share the hold of their tensor', () => {
  withStep({ rows: 1 }, (step) => {
    const x = step.empty([4, 4]);
    const view = step.hold(x.slice(1, 2).reshape(2, 2));
    step.release(x);
    const other = step.empty([4, 4]);
    expect(other.offset).not.toBe(x.offset);
    step.release(view);
    expect(step.empty([4, 4]).offset).toBe(x.offset);
  });
});

test('saved tensors come back in reverse order and outlive their maker', () => {
  withStep({ rows: 1, training: true }, (step) => {
    const [a, b] = [step.empty([8]), step.empty([8])];
    step.save(a);
    step.save(b);
    step.release(a, b);
    expect(step.empty([8]).offset).not.toBe(a.offset);
    expect(step.savedCount).toBe(2);
    expect(step.restore()).toBe(b);
    expect(step.restore()).toBe(a);
    step.release(a, b);
    expect(step.savedCount).toBe(0);
    expect(() => step.restore()).toThrow(
      '[step.restore] nothing is saved. hint: run forward with step({ training: true })',
    );
  });
});

test('nothing is saved outside training', () => {
  withStep({ rows: 1 }, (step) => {
    step.save(step.empty([8]));
    expect(step.savedCount).toBe(0);
  });
});

test('a recipe stands for its tensor below level none: made once for all readers, freed with the last', () => {
  withStep({ rows: 1, training: true, recompute: 'selective' }, (step) => {
    const x = step.empty([8]);
    const make = vi.fn<() => import('../src/index.ts').Tensor>(() => step.empty([8]));
    step.recipe(x, make);
    step.save(x);
    step.save(x);
    const before = step.arena.inUse;
    step.release(x);
    expect(step.arena.inUse).toBe(before - 256);
    const [first, second] = [step.restore(), step.restore()];
    expect(second).toBe(first);
    expect(make).toHaveBeenCalledTimes(1);
    step.release(first);
    expect(step.arena.inUse).toBe(before);
    step.release(second);
    expect(step.arena.inUse).toBe(before - 256);
  });
});

test('at level none the tensor itself is kept', () => {
  withStep({ rows: 1, training: true }, (step) => {
    const x = step.empty([8]);
    step.recipe(x, () => expect.fail('made again'));
    step.save(x);
    expect(step.restore()).toBe(x);
  });
});

test('a recipe does not outlive its region', () => {
  withStep({ rows: 1, training: true, recompute: 'selective' }, (step) => {
    const x = step.empty([8]);
    step.recipe(x, () => expect.fail('a recipe of another tensor'));
    step.release(x);
    const y = step.empty([8]);
    expect(y.offset).toBe(x.offset);
    step.save(y);
    expect(step.restore()).toBe(y);
  });
});

test('unsaved runs a block without saving, again keeps everything', () => {
  withStep({ rows: 1, training: true, recompute: 'full' }, (step) => {
    const block = (): Tensor => {
      const x = step.empty([8]);
      step.recipe(x, () => expect.fail('made again'));
      step.save(x);
      return x;
    };
    step.unsaved(block);
    expect(step.savedCount).toBe(0);
    const kept = step.again(() => {
      expect(step.recompute).toBe('none');
      return block();
    });
    expect(step.restore()).toBe(kept);
    expect(step.recompute).toBe('full');
    expect(() =>
      step.unsaved(() => {
        throw new Error('inside');
      }),
    ).toThrow('inside');
    step.save(kept);
    expect(step.savedCount).toBe(1);
  });
});

test('a step that has ended gives nothing and takes nothing', () => {
  using device = reference();
  const step = openStep(device, { rows: 1 });
  const x = step.empty([8]);
  step[Symbol.dispose]();
  step[Symbol.dispose]();
  expect(() => step.empty([8])).toThrow('[step.empty] the step has ended.');
  expect(() => step.release(x)).toThrow('[step.release] the step has ended.');
});

test('steps at the same time have arenas of their own', () => {
  using device = reference();
  using first = openStep(device, { rows: 1 });
  using second = openStep(device, { rows: 1 });
  expect(first.empty([8]).storage).not.toBe(second.empty([8]).storage);
});

test('positions count in segments, or on from the cache', async () => {
  using device = reference();
  using plain = openStep(device, { rows: 4 });
  using packed = openStep(device, { rows: 6, segments: [0, 2, 6] });
  using given = openStep(device, { rows: 3, positions: [7, 1, 2] });
  using cached = openStep(device, { rows: 5, cache: cacheOf(device) });
  const read = async (step: Step) => [...(await step.positions.read())];
  expect(await read(plain)).toEqual([0, 1, 2, 3]);
  expect(await read(packed)).toEqual([0, 1, 0, 1, 2, 3]);
  expect(await read(given)).toEqual([7, 1, 2]);
  expect(await read(cached)).toEqual([9, 0, 1, 2, 3]);
  expect([plain, packed, given, cached].map((step) => step.maxPosition)).toEqual([3, 3, 7, 9]);
  expect([...(await plain.segments!.read())]).toEqual([0, 4]);
  expect(cached.segments).toBeUndefined();
  expect(cached.cache!.blockTable.shape).toEqual([2, 3]);
});

function cacheOf(device: Device) {
  const layer = { keys: device.empty([8, 4, 6], 'f32'), values: device.empty([8, 4, 6], 'f32') };
  return {
    layers: [layer],
    slots: [1, 20, 21, 22, 23],
    blockTable: [3, 1, 0, 5, 0, 0],
    blocksPerSequence: 3,
    queryStarts: [0, 1, 5],
    lengths: [10, 4],
  };
}

test('wrong options are refused with their values', () => {
  using device = reference();
  const refused = (options: object) => expect(() => openStep(device, options as StepOptions));
  const cache = cacheOf(device);
  refused({ rows: 0 }).toThrow('[device.step] rows is 0.');
  refused({ rows: 2.5 }).toThrow('rows is 2.5.');
  refused({ rows: 1, segmnets: [] }).toThrow('unknown option "segmnets". hint: did you mean "segments"?');
  refused({ rows: 1, dtype: 'i32' }).toThrow(
    'reference does not compute in i32. hint: it does in f32, f64, bf16, f16',
  );
  refused({ rows: 3, positions: [1] }).toThrow('1 positions for 3 rows.');
  refused({ rows: 3, positions: [0, -1, 2] }).toThrow('position -1 of row 1 is not a position.');
  refused({ rows: 3, segments: [0, 2, 2, 3] }).toThrow('segments [0, 2, 2, 3] do not ascend from 0 to 3.');
  refused({ rows: 3, segments: [0, 2] }).toThrow('segments [0, 2] do not ascend from 0 to 3.');
  refused({ rows: 5, cache, training: true }).toThrow('a training step was given a cache.');
  refused({ rows: 5, cache, segments: [0, 5] }).toThrow('both segments and a cache were given.');
  refused({ rows: 5, cache: { ...cache, layers: [] } }).toThrow('the cache has no layers.');
  refused({ rows: 5, cache: { ...cache, slots: [1] } }).toThrow('1 cache slots for 5 rows.');
  refused({ rows: 5, cache: { ...cache, slots: [1, 2, 3, 4, 32] } }).toThrow(
    'slot 32 of row 4 is outside f32[8, 4, 6].',
  );
  refused({ rows: 5, cache: { ...cache, queryStarts: [0, 5] } }).toThrow('2 queryStarts for 2 lengths.');
  refused({ rows: 5, cache: { ...cache, lengths: [13, 4] } }).toThrow(
    'sequence 0 has 1 new rows and length 13',
  );
  refused({ rows: 5, cache: { ...cache, blockTable: [3, 9, 0, 5, 0, 0] } }).toThrow(
    'block 9 of sequence 0 is outside',
  );
  expect(openStep(device, { rows: 1 }).rows).toBe(1);
});
