import { expect } from 'vitest';
import { BlockCache } from '../src/cache/block-cache.ts';
import { BlockPool } from '../src/cache/block-pool.ts';
import { Scheduler, type SchedulerOptions, type Turn } from '../src/schedule/scheduler.ts';
import { Sequence, type SequenceOptions } from '../src/sequence/sequence.ts';

const BLOCK = 4;

/** A text of which only its length is wanted. */
export class Job extends Sequence {
  readonly name: number;
  readonly wanted: number;
  steps = 0;
  constructor(name: number, prompt: ArrayLike<number>, wanted: number, options: SequenceOptions = {}) {
    super(prompt, options);
    this.name = name;
    this.wanted = wanted;
  }
}

/** What a model would see: the ids that lie in each place of each block. */
class Memory {
  readonly #ids: Int32Array;
  constructor(blocks: number) {
    this.#ids = new Int32Array(blocks * BLOCK).fill(-1);
  }
  /** Writes the rows of a turn, and reads all that it stands on. */
  run({ sequence, rows }: Turn): void {
    const place = (p: number) => sequence.blocks[Math.floor(p / BLOCK)]! * BLOCK + (p % BLOCK);
    for (let p = sequence.computed; p < sequence.computed + rows; p++) this.#ids[place(p)] = sequence.ids[p]!;
    for (let p = 0; p < sequence.computed + rows; p++)
      if (this.#ids[place(p)] !== sequence.ids[p]) throw new Error(`position ${p} holds another id`);
  }
}

/** A scheduler with jobs, and a check of everything that must hold of each step. */
export class World {
  readonly scheduler: Scheduler<Job>;
  readonly jobs: Job[] = [];
  readonly options: SchedulerOptions;
  readonly #memory: Memory;
  steps = 0;

  constructor(blocks: number, options: SchedulerOptions, shares = true) {
    const pool = new BlockPool(blocks, BLOCK);
    this.scheduler = new Scheduler(new BlockCache(pool, shares ? Uint32Array.of(1, 2) : null), options);
    this.options = options;
    this.#memory = new Memory(blocks);
  }

  /** As many ids more as the cache can hold at most. */
  add(prompt: ArrayLike<number>, wanted: number, options: SequenceOptions = {}): Job {
    const room = this.scheduler.maxTokens - prompt.length;
    const job = new Job(this.jobs.length, prompt, Math.min(wanted, Math.max(1, room)), options);
    this.jobs.push(job);
    this.scheduler.add(job);
    return job;
  }

  get active(): Job[] {
    return this.jobs.filter(({ state }) => state !== 'finished');
  }

  /** One step, everything that must hold of it, and what a model would do. The next id follows from the ids alone. */
  step(): Turn<Job>[] {
    const active = this.active.length;
    const turns = this.scheduler.schedule();
    this.scheduler.check();
    checkTurns(this, turns, active);
    for (const turn of turns) this.#memory.run(turn);
    this.scheduler.complete(turns);
    this.steps++;
    for (const { sequence } of turns) {
      sequence.steps++;
      if (sequence.pending > 0) continue;
      sequence.append((sequence.ids.at(-1)! * 7 + sequence.length) % 3);
      if (sequence.generated >= sequence.wanted) this.scheduler.remove(sequence);
    }
    this.scheduler.check();
    return turns;
  }

  finish(most = 10_000): void {
    for (let i = 0; i < most && this.active.length > 0; i++) this.step();
    if (this.active.length > 0) throw new Error(`${this.active.length} jobs do not end`);
  }
}

function checkTurns(world: World, turns: readonly Turn<Job>[], active: number): void {
  expect(turns.length > 0, 'there is progress whenever there is work').toBe(active > 0);
  expect(turns.reduce((sum, { rows }) => sum + rows, 0)).toBeLessThanOrEqual(world.options.maxBatchRows);
  expect(world.scheduler.running.length).toBeLessThanOrEqual(world.options.maxSequences);
  expect(new Set(turns.map(({ sequence }) => sequence)).size).toBe(turns.length);
  for (const { sequence, rows } of turns) {
    expect(sequence.state).toBe('running');
    expect(rows).toBeGreaterThan(0);
    expect(rows).toBeLessThanOrEqual(Math.min(sequence.pending, world.options.prefillChunk));
    expect(sequence.blocks.length * BLOCK).toBeGreaterThanOrEqual(sequence.length);
  }
  for (const job of world.active)
    if (job.state === 'waiting') expect([job.blocks, job.computed]).toEqual([[], 0]);
}

/** So many ids that are all the same. */
export const ids = (length: number, of = 0) => new Int32Array(length).fill(of);
/** So many ids that no other begins with. */
export const different = (length: number, of: number) => Int32Array.from({ length }, (_, i) => of * 1000 + i);
