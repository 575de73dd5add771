import { fail } from '@cria/tensor';
import type { BlockPool } from './block-pool.ts';
import type { Sequence } from './sequence.ts';

export interface SchedulerOptions {
  /** Most tokens that go through the model in one step, of all sequences. */
  readonly maxBatchRows: number;
  /** Most tokens of one prompt in one step, so that a long prompt leaves room for others. */
  readonly prefillChunk: number;
  /** Most sequences that run at the same time. */
  readonly maxSequences: number;
}

/** What one sequence does in a step: its next `rows` tokens, from `computed` on, go through the model. */
export interface Turn<S extends Sequence = Sequence> {
  readonly sequence: S;
  readonly rows: number;
}

/**
 * Decides which tokens go through the model together, by vLLM's rule: there is no prefill and no
 * decode phase, each sequence catches up with its own length under one budget a step. Sequences
 * with one token to go come first, then the rest of running prompts, then new sequences in the
 * order of arrival. When blocks run out, the newest running sequence gives its own back and waits
 * at the head of the queue, to be computed again (no sequence is admitted in such a step). No
 * policy here can change a text: only its time.
 */
export class Scheduler<S extends Sequence = Sequence> {
  readonly pool: BlockPool;
  #options: SchedulerOptions;
  #waiting: S[] = [];
  #running: S[] = [];
  #preemptions = 0;

  constructor(pool: BlockPool, options: SchedulerOptions) {
    this.pool = pool;
    this.#options = options;
  }

  /** In the order in which they will be admitted. */
  get waiting(): readonly S[] {
    return this.#waiting;
  }

  /** Oldest first. */
  get running(): readonly S[] {
    return this.#running;
  }

  /** How often a sequence had to give its blocks back. */
  get preemptions(): number {
    return this.#preemptions;
  }

  /** Longest sequence that can ever run, alone. */
  get maxTokens(): number {
    return this.pool.size * this.pool.blockSize;
  }

  add(sequence: S): void {
    if (sequence.length > this.maxTokens) {
      fail(
        'scheduler.add',
        `${sequence.length} tokens do not fit ${this.pool.size} blocks of ${this.pool.blockSize}.`,
      );
    }
    this.#waiting.push(sequence);
  }

  /** Takes a sequence out, wherever it is, and gives its blocks back. */
  remove(sequence: S): void {
    for (const list of [this.#waiting, this.#running]) {
      const at = list.indexOf(sequence);
      if (at >= 0) list.splice(at, 1);
    }
    sequence.state = 'finished';
    this.#giveBlocksBack(sequence);
  }

  /** The turns of the next step, with blocks for all of their tokens. Empty only when no sequence is left. */
  schedule(): Turn<S>[] {
    const plan = new Map<S, number>();
    const preempted = this.#continueRunning(plan);
    if (!preempted) this.#admitWaiting(plan);
    return [...plan].map(([sequence, rows]) => ({ sequence, rows }));
  }

  /** Records that the tokens of these turns are in the cache now. Sequences that ended meanwhile are left alone. */
  complete(turns: readonly Turn<S>[]): void {
    for (const { sequence, rows } of turns) if (sequence.state === 'running') sequence.computed += rows;
  }

  #continueRunning(plan: Map<S, number>): boolean {
    const before = this.#preemptions;
    const decoding = this.#running.filter((sequence) => sequence.pending === 1);
    const catchingUp = this.#running.filter((sequence) => sequence.pending > 1);
    for (const sequence of [...decoding, ...catchingUp]) {
      const rows = this.#rowsFor(sequence, plan);
      if (rows === 0) break;
      while (sequence.state === 'running' && !this.#reserve(sequence, rows)) this.#preemptNewest(plan);
      if (sequence.state === 'running') plan.set(sequence, rows);
    }
    return this.#preemptions > before;
  }

  #admitWaiting(plan: Map<S, number>): void {
    // Free blocks that nobody counts on: what runs was admitted with the promise that all of its
    // text so far finds room.
    let unpromised = this.pool.freeCount;
    for (const sequence of this.#running) unpromised -= this.#missingBlocks(sequence, sequence.length);
    while (this.#running.length < this.#options.maxSequences) {
      const sequence = this.#waiting[0];
      if (!sequence) return;
      const rows = this.#rowsFor(sequence, plan);
      const needed = this.pool.blocksFor(sequence.length);
      // Room for all it has to catch up with, else it would be the first to be preempted.
      if (rows === 0 || needed > unpromised) return;
      unpromised -= needed;
      this.#waiting.shift();
      this.#running.push(sequence);
      sequence.state = 'running';
      this.#reserve(sequence, rows);
      plan.set(sequence, rows);
    }
  }

  #rowsFor(sequence: S, plan: Map<S, number>): number {
    let budget = this.#options.maxBatchRows;
    for (const rows of plan.values()) budget -= rows;
    return Math.max(0, Math.min(sequence.pending, this.#options.prefillChunk, budget));
  }

  /** Takes the blocks that the next `rows` tokens need; all of them or none. */
  #reserve(sequence: S, rows: number): boolean {
    const missing = this.#missingBlocks(sequence, sequence.computed + rows);
    if (missing > this.pool.freeCount) return false;
    for (let i = 0; i < missing; i++) sequence.blocks.push(this.pool.take());
    return true;
  }

  /** Blocks that a sequence lacks for its first `tokens` tokens. */
  #missingBlocks(sequence: S, tokens: number): number {
    return this.pool.blocksFor(tokens) - sequence.blocks.length;
  }

  #preemptNewest(plan: Map<S, number>): void {
    const newest = this.#running.pop();
    if (!newest) return fail('scheduler.schedule', 'blocks ran out with nothing running.');
    plan.delete(newest);
    newest.state = 'waiting';
    newest.computed = 0;
    this.#giveBlocksBack(newest);
    this.#waiting.unshift(newest);
    this.#preemptions++;
  }

  #giveBlocksBack(sequence: S): void {
    while (sequence.blocks.length > 0) this.pool.giveBack(sequence.blocks.pop() as number); // length was looked at
  }
}
