import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SchedulerOptions } from '../src/schedule/scheduler.ts';
import type { SequenceOptions } from '../src/sequence/sequence.ts';
import { different, ids, World } from './scheduler-world.ts';

const options: fc.Arbitrary<SchedulerOptions> = fc.record({
  maxBatchRows: fc.integer({ min: 1, max: 16 }),
  prefillChunk: fc.integer({ min: 1, max: 16 }),
  maxSequences: fc.integer({ min: 1, max: 6 }),
});
/** Prompts of few ids, so that many begin alike. */
const prompt = fc.oneof(
  fc.array(fc.nat(1), { minLength: 1, maxLength: 6 }),
  fc.integer({ min: 1, max: 14 }).map((length) => [...ids(length)]),
);
const standing: fc.Arbitrary<SequenceOptions> = fc.record(
  {
    share: fc.constantFrom('a', 'b'),
    salt: fc.constantFrom('', 'x'),
    priority: fc.constantFrom(0, 0, 1),
    fresh: fc.constantFrom(false, false, true),
  },
  { requiredKeys: [] },
);
type Command = { add: [number[], number, SequenceOptions] } | { step: true } | { cancel: number };
const commands: fc.Arbitrary<Command[]> = fc.array(
  fc.oneof(
    { weight: 2, arbitrary: fc.record({ add: fc.tuple(prompt, fc.integer({ min: 1, max: 16 }), standing) }) },
    { weight: 2, arbitrary: fc.record({ step: fc.constant(true as const) }) },
    { weight: 1, arbitrary: fc.record({ cancel: fc.nat() }) },
  ),
  { maxLength: 60 },
);

describe('Scheduler', () => {
  it('loses no block, mixes up no content and finishes everything, whatever comes and goes', () => {
    let [preemptions, cached] = [0, 0];
    fc.assert(
      fc.property(options, fc.integer({ min: 6, max: 10 }), commands, (chosen, blocks, script) => {
        const world = new World(blocks, chosen);
        for (const command of script) {
          if ('add' in command) world.add(...command.add);
          else if ('step' in command) world.step();
          else if (world.jobs.length > 0)
            world.scheduler.remove(world.jobs[command.cancel % world.jobs.length]!);
          world.scheduler.check();
        }
        const work = world.jobs.reduce((sum, job) => sum + job.promptLength + job.wanted, 0);
        world.finish(20 * (work + 1));
        expect(world.scheduler.cache.pool.freeCount).toBe(blocks);
        expect(world.scheduler.schedule()).toEqual([]);
        expect([world.scheduler.waiting.size, world.scheduler.waiting.tokens]).toEqual([0, 0]);
        preemptions += world.scheduler.preemptions;
        cached += world.scheduler.cachedTokens;
      }),
      { numRuns: 500 },
    );
    expect(preemptions, 'the test must reach preemption').toBeGreaterThan(50);
    expect(cached, 'the test must reach the cache').toBeGreaterThan(200);
  });

  it('puts decodes before prompts, and spreads the rest of the budget over them', () => {
    const world = new World(100, { maxBatchRows: 8, prefillChunk: 6, maxSequences: 4 });
    world.add(different(20, 1), 5);
    world.add(different(2, 2), 5);
    world.add(different(9, 3), 5);
    const rows = () => world.step().map((turn) => [turn.sequence.name, turn.rows]);
    expect(rows()).toEqual([
      [0, 3],
      [1, 2],
      [2, 3],
    ]);
    expect(rows()).toEqual([
      [1, 1],
      [0, 4],
      [2, 3],
    ]);
    expect(rows()).toEqual([
      [1, 1],
      [0, 4],
      [2, 3],
    ]);
    expect(rows()).toEqual([
      [1, 1],
      [2, 1],
      [0, 6],
    ]);
  });

  it('reads a short prompt behind a long one at once', () => {
    const world = new World(1000, { maxBatchRows: 256, prefillChunk: 256, maxSequences: 16 });
    world.add(different(2000, 1), 5);
    world.step();
    const short = world.add(different(3, 2), 5);
    world.step();
    expect(short.generated).toBe(1);
  });

  it('admits nobody into blocks that were promised to prompts which are still read', () => {
    const world = new World(10, { maxBatchRows: 16, prefillChunk: 4, maxSequences: 4 });
    const first = world.add(different(28, 1), 2);
    world.add(different(24, 2), 2);
    world.add(different(8, 3), 2);
    // The first needs 7 of 10 blocks and reads one a step; the second needs 6, and the third may not overtake it.
    for (let i = 0; i < 7; i++) {
      world.step();
      expect(world.scheduler.running).toEqual([first]);
    }
    world.finish();
    expect(world.scheduler.preemptions).toBe(0);
  });

  it('refuses what could never fit', () => {
    const world = new World(2, { maxBatchRows: 8, prefillChunk: 8, maxSequences: 4 });
    expect(() => world.add(ids(9), 1)).toThrow('9 tokens do not fit 2 blocks of 4');
  });
});

describe('what begins alike', () => {
  const options = { maxBatchRows: 64, prefillChunk: 64, maxSequences: 16 };

  it('is computed once, though all come together', () => {
    const world = new World(200, options);
    const prefix = different(101, 1);
    for (let i = 0; i < 16; i++) world.add([...prefix, i], 3);
    world.finish();
    // Of the others, the 25 full blocks that all have are shared: 2 tokens each are read.
    expect(world.jobs.map(({ cached }) => cached)).toEqual([0, ...Array.from({ length: 15 }, () => 100)]);
    expect(world.steps).toBeLessThan(8);
  });

  it('stays after its last user is gone, but not for others of another salt, or who want every row', () => {
    const world = new World(200, options);
    const again = (options: SequenceOptions) => {
      const job = world.add(different(41, 1), 1, options);
      world.finish();
      return job.cached;
    };
    expect([again({}), again({}), again({ fresh: true })]).toEqual([0, 40, 0]);
    expect([again({ salt: 'x' }), again({ salt: 'x' }), again({ salt: 'y' })]).toEqual([0, 40, 0]);
  });

  it('has one token at least to compute', () => {
    const world = new World(200, options);
    for (const expected of [0, 36]) {
      expect(world.add(different(40, 1), 1)).toMatchObject({ state: 'waiting' });
      world.finish();
      expect(world.jobs.at(-1)!.cached).toBe(expected);
    }
  });

  it('gives way to what is new, the ends of old texts first', () => {
    const world = new World(12, options);
    world.add(different(21, 1), 1);
    world.finish();
    world.add(different(36, 2), 1); // 9 blocks: 6 that nobody had, the last one of the first, and 2 of its 5 full ones
    world.finish();
    const job = world.add(different(21, 1), 1);
    world.finish();
    expect(job.cached).toBe(12);
  });

  it('makes a preemption cheap', () => {
    const world = new World(12, { maxBatchRows: 8, prefillChunk: 8, maxSequences: 3 });
    for (let i = 0; i < 3; i++) world.add(different(9, i), 12);
    world.finish();
    expect(world.scheduler.preemptions).toBeGreaterThan(0);
    expect(world.scheduler.cachedTokens).toBeGreaterThan(0);
  });
});

describe('shares', () => {
  const options = { maxBatchRows: 64, prefillChunk: 64, maxSequences: 4 };

  it('let a small request behind large ones start in the next step, in each of their places once', () => {
    const world = new World(1000, options);
    for (const share of ['a', 'b']) for (let i = 0; i < 128; i++) world.add(different(10, i), 480, { share });
    for (let i = 0; i < 20; i++) world.step();
    const small = world.add(different(5, 999), 4, { share: 'c' });
    for (let i = 0; i < 4; i++) world.step();
    expect(small.state).toBe('finished');
    expect(world.scheduler.preemptions).toBe(1);
  });

  it('get the same number of tokens, whatever their texts are', () => {
    const world = new World(1000, options);
    for (let i = 0; i < 40; i++) {
      world.add(different(40, i), 3, { share: 'prompts' });
      for (let j = 0; j < 3; j++) world.add(different(2, 100 + 3 * i + j), 20, { share: 'texts' });
    }
    const served = { prompts: 0, texts: 0 };
    for (let i = 0; i < 400; i++)
      for (const { sequence, rows } of world.step()) served[sequence.share as 'texts'] += rows;
    expect(served.prompts / served.texts).toBeGreaterThan(0.8);
    expect(served.prompts / served.texts).toBeLessThan(1.25);
  });

  it('get no credit for the time in which they wanted nothing', () => {
    const world = new World(1000, { ...options, maxSequences: 1 });
    for (let i = 0; i < 20; i++) world.add(different(3, i), 10, { share: 'a' });
    for (let i = 0; i < 50; i++) world.step();
    for (let i = 0; i < 20; i++) world.add(different(3, 50 + i), 10, { share: 'b' });
    const done = () => ({
      a: world.jobs.filter(({ share, state }) => share === 'a' && state === 'finished').length,
      b: world.jobs.filter(({ share, state }) => share === 'b' && state === 'finished').length,
    });
    const before = done();
    for (let i = 0; i < 100; i++) world.step();
    const after = done();
    expect(Math.abs(after.a - before.a - (after.b - before.b))).toBeLessThanOrEqual(1);
  });
});

it('a higher priority comes first, and takes a place of a lower one', () => {
  const world = new World(1000, { maxBatchRows: 64, prefillChunk: 64, maxSequences: 2 });
  for (let i = 0; i < 5; i++) world.add(different(5, i), 30);
  world.step();
  const [low, high] = [
    world.add(different(5, 10), 3, { priority: -1 }),
    world.add(different(5, 11), 3, { priority: 1 }),
  ];
  for (let i = 0; i < 3; i++) world.step();
  expect([high.state, world.scheduler.preemptions]).toEqual(['finished', 1]);
  world.finish();
  expect(low.cached).toBe(0);
});

it('those that were not started by their deadline are taken out, and no others', () => {
  const world = new World(1000, { maxBatchRows: 64, prefillChunk: 64, maxSequences: 1 });
  const [running, late, patient] = [
    world.add(different(5, 0), 30, { deadline: 1 }),
    world.add(different(5, 1), 3, { deadline: 2 }),
    world.add(different(5, 2), 3),
  ];
  world.step();
  expect(world.scheduler.expire(2)).toEqual([]);
  expect(world.scheduler.expire(2.1)).toEqual([late]);
  expect([running!.state, late!.state, patient!.state]).toEqual(['running', 'finished', 'waiting']);
  world.finish();
});
