import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BlockPool } from '../src/block-pool.ts';
import { Scheduler, type Turn } from '../src/scheduler.ts';
import { Sequence } from '../src/sequence.ts';

const BLOCK = 4;

class Job extends Sequence {
  readonly arrival: number;
  readonly wanted: number;
  constructor(arrival: number, promptLength: number, wanted: number) {
    super(new Int32Array(promptLength));
    this.arrival = arrival;
    this.wanted = wanted;
  }
}

interface World {
  scheduler: Scheduler<Job>;
  jobs: Job[];
  options: { maxBatchRows: number; prefillChunk: number; maxSequences: number };
}

function checkBlocks({ scheduler, jobs }: World): void {
  const held = jobs.flatMap((job) => job.blocks);
  expect(new Set(held).size, 'a block has one owner').toBe(held.length);
  expect(scheduler.pool.freeCount + held.length, 'no block is lost').toBe(scheduler.pool.size);
  for (const job of jobs) {
    if (job.state === 'running')
      expect(job.blocks.length).toBeGreaterThanOrEqual(scheduler.pool.blocksFor(job.computed));
    else expect(job.blocks).toEqual([]);
  }
}

function checkTurns({ scheduler, jobs, options }: World, turns: readonly Turn<Job>[]): void {
  const active = jobs.filter((job) => job.state !== 'finished');
  expect(turns.length > 0, 'there is progress whenever there is work').toBe(active.length > 0);
  expect(turns.reduce((sum, turn) => sum + turn.rows, 0)).toBeLessThanOrEqual(options.maxBatchRows);
  expect(scheduler.running.length).toBeLessThanOrEqual(options.maxSequences);
  for (const { sequence, rows } of turns) {
    expect(sequence.state).toBe('running');
    expect(rows).toBeGreaterThan(0);
    expect(rows).toBeLessThanOrEqual(Math.min(sequence.pending, options.prefillChunk));
    expect(sequence.blocks.length * BLOCK).toBeGreaterThanOrEqual(sequence.computed + rows);
  }
  const arrivals = [...scheduler.running, ...scheduler.waiting].map((job) => job.arrival);
  expect(arrivals, 'nobody is overtaken').toEqual(arrivals.toSorted((a, b) => a - b));
}

function step(world: World): void {
  const turns = world.scheduler.schedule();
  checkTurns(world, turns);
  world.scheduler.complete(turns);
  for (const { sequence } of turns) {
    if (sequence.pending > 0) continue;
    sequence.append(0);
    if (sequence.generated >= sequence.wanted) world.scheduler.remove(sequence);
  }
  checkBlocks(world);
}

type Command = { add: [number, number] } | { step: true } | { cancel: number };
const commands = fc.array(
  fc.oneof(
    fc.record({ add: fc.tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 12 })) }),
    fc.record({ add: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 9, max: 20 })) }),
    fc.record({ step: fc.constant(true as const) }),
    fc.record({ step: fc.constant(true as const) }),
    fc.record({ cancel: fc.nat() }),
  ),
  { maxLength: 60 },
) as fc.Arbitrary<Command[]>;

describe('Scheduler', () => {
  it('loses no block, gives none out twice, keeps the order of arrival and finishes everything (model test)', () => {
    const options = fc.record({
      maxBatchRows: fc.integer({ min: 1, max: 16 }),
      prefillChunk: fc.integer({ min: 1, max: 16 }),
      maxSequences: fc.integer({ min: 1, max: 6 }),
    });
    let preemptions = 0;
    fc.assert(
      fc.property(options, fc.integer({ min: 6, max: 10 }), commands, (chosen, blocks, script) => {
        const world: World = {
          scheduler: new Scheduler<Job>(new BlockPool(blocks, BLOCK), chosen),
          jobs: [],
          options: chosen,
        };
        for (const command of script) {
          if ('add' in command) {
            const job = new Job(world.jobs.length, ...command.add);
            world.jobs.push(job);
            world.scheduler.add(job);
          } else if ('step' in command) step(world);
          else if (world.jobs.length > 0)
            world.scheduler.remove(world.jobs[command.cancel % world.jobs.length]!);
          checkBlocks(world);
        }
        const work = world.jobs.reduce((sum, job) => sum + job.promptLength + job.wanted, 0);
        for (let i = 0; i < 20 * (work + 1) && world.jobs.some((job) => job.state !== 'finished'); i++)
          step(world);
        expect(world.jobs.every((job) => job.state === 'finished')).toBe(true);
        expect(world.scheduler.pool.freeCount).toBe(blocks);
        expect(world.scheduler.schedule()).toEqual([]);
        preemptions += world.scheduler.preemptions;
      }),
      { numRuns: 500 },
    );
    expect(preemptions, 'the test must reach preemption').toBeGreaterThan(50);
  });

  it('puts decodes before prompts, and cuts prompts to the budget', () => {
    const scheduler = new Scheduler<Job>(new BlockPool(100, BLOCK), {
      maxBatchRows: 8,
      prefillChunk: 6,
      maxSequences: 4,
    });
    const [long, short] = [new Job(0, 20, 5), new Job(1, 2, 5)];
    scheduler.add(long);
    scheduler.add(short);
    const rows = () => {
      const turns = scheduler.schedule();
      scheduler.complete(turns);
      for (const { sequence } of turns) if (sequence.pending === 0) sequence.append(0);
      return turns.map((turn) => [turn.sequence.arrival, turn.rows]);
    };
    expect(rows()).toEqual([
      [0, 6],
      [1, 2],
    ]);
    expect(rows()).toEqual([
      [1, 1],
      [0, 6],
    ]);
    expect(rows()).toEqual([
      [1, 1],
      [0, 6],
    ]);
    expect(rows()).toEqual([
      [1, 1],
      [0, 2],
    ]);
    expect(rows()).toEqual([
      [0, 1],
      [1, 1],
    ]);
  });

  it('admits nobody into blocks that were promised to prompts which are still read', () => {
    const options = { maxBatchRows: 16, prefillChunk: 4, maxSequences: 4 };
    const scheduler = new Scheduler<Job>(new BlockPool(10, BLOCK), options);
    const jobs = [new Job(0, 28, 2), new Job(1, 24, 2), new Job(2, 8, 2)];
    for (const job of jobs) scheduler.add(job);
    // The first needs 7 of 10 blocks and takes one a step; the second needs 6, and the third may not overtake it.
    const world = { scheduler, jobs, options };
    for (let i = 0; i < 7; i++) {
      step(world);
      expect(scheduler.running).toEqual([jobs[0]]);
    }
    while (jobs.some((job) => job.state !== 'finished')) step(world);
    expect(scheduler.preemptions).toBe(0);
  });

  it('refuses what could never fit, and a double give-back', () => {
    const pool = new BlockPool(2, BLOCK);
    const scheduler = new Scheduler<Job>(pool, { maxBatchRows: 8, prefillChunk: 8, maxSequences: 4 });
    expect(() => scheduler.add(new Job(0, 9, 1))).toThrow('9 tokens do not fit 2 blocks of 4');
    const block = pool.take();
    pool.giveBack(block);
    expect(() => pool.giveBack(block)).toThrow('is not taken');
    pool.take();
    pool.take();
    expect(() => pool.take()).toThrow('all 2 blocks are taken');
    expect(pool.freeCount).toBe(0);
  });
});
