import { fail } from '@cria/tensor';
import type { BlockCache } from '../cache/block-cache.ts';
import type { Sequence } from '../sequence/sequence.ts';
import { spreadRows } from './budget.ts';
import { WaitingQueue } from './queue.ts';

export interface SchedulerOptions {
  /** Most tokens that go through the model in one step, of all sequences. */
  readonly maxBatchRows: number;
  /** Most tokens of one prompt in one step. */
  readonly prefillChunk: number;
  /** Most sequences that run at the same time. */
  readonly maxSequences: number;
}

/**
 * What one sequence does in a step: its next `rows` tokens, from `computed` on, go through the
 * model, its draft the last of them.
 */
export interface Turn<S extends Sequence = Sequence> {
  readonly sequence: S;
  readonly rows: number;
}

/**
 * Decides which tokens go through the model together, by vLLM's rule: there is no prefill and no
 * decode phase, each sequence catches up with its own length under one budget a step.
 *
 * - Sequences with one token to go come first; what is left of the budget is spread over prompts,
 *   and what they leave over drafts.
 * - A waiting sequence is admitted when there is a place for it and a block for each of its ids. It
 *   has them from then on, so nobody can count on them twice.
 * - One whose beginning is just being computed by another waits for that, and then shares it.
 * - A share that has none running takes the place of the newest of the share with the most, and a
 *   higher priority that of the newest of the lowest: nobody waits until another is done with all.
 * - When blocks run out, the newest running sequence gives its own back and waits again (nobody is
 *   admitted in such a step). It is computed again later, or shared with what is still kept.
 *
 * No policy here can change a text: only its time.
 */
export class Scheduler<S extends Sequence = Sequence> {
  readonly cache: BlockCache;
  readonly waiting = new WaitingQueue<S>();
  readonly #options: SchedulerOptions;
  /** By admission, oldest first. */
  #running: S[] = [];
  /** Those whose next token goes through in the step that is planned. */
  readonly #decoding = new Set<S>();
  #preemptions = 0;
  #cachedTokens = 0;

  constructor(cache: BlockCache, options: SchedulerOptions) {
    this.cache = cache;
    this.#options = options;
  }

  /** Oldest first. */
  get running(): readonly S[] {
    return this.#running;
  }

  /** How often a sequence had to give its blocks back. */
  get preemptions(): number {
    return this.#preemptions;
  }

  /** Tokens that were not computed because the cache had them. */
  get cachedTokens(): number {
    return this.#cachedTokens;
  }

  /** Longest sequence that can ever run, alone. */
  get maxTokens(): number {
    const { size, blockSize } = this.cache.pool;
    return size * blockSize;
  }

  add(sequence: S): void {
    if (sequence.length > this.maxTokens) {
      const { size, blockSize } = this.cache.pool;
      fail('scheduler.add', `${sequence.length} tokens do not fit ${size} blocks of ${blockSize}.`);
    }
    this.waiting.add(sequence);
  }

  /** Takes a sequence out, wherever it is, and gives its blocks back. */
  remove(sequence: S): void {
    const { state } = sequence;
    if (state === 'finished') return;
    sequence.state = 'finished';
    if (state === 'running') {
      this.#running.splice(this.#running.indexOf(sequence), 1);
      this.cache.release(sequence);
      this.waiting.stop(sequence);
    } else this.waiting.remove(sequence);
    this.waiting.forget(sequence);
  }

  /** Takes those out that were not started by their deadline. */
  expire(now: number): S[] {
    const late = this.waiting.expire(now);
    for (const sequence of late) this.remove(sequence);
    return late;
  }

  /** The turns of the next step, with blocks for all of their tokens. Empty only when no sequence is left. */
  schedule(): Turn<S>[] {
    const before = this.#preemptions;
    this.#decoding.clear();
    // A draft is of one step: whoever was sent away meanwhile reads what it has, and no guesses.
    for (const sequence of this.#running) sequence.propose(0);
    this.#growDecoding();
    if (this.#preemptions === before) this.#admit();
    const room = this.#options.maxBatchRows - this.#decoding.size;
    const reading = this.#running.filter((sequence) => !this.#decoding.has(sequence));
    const { prefillChunk } = this.#options;
    const needs = reading.map(({ pending, mostRows }) => Math.min(pending, mostRows, prefillChunk));
    const rows = spreadRows(room, needs);
    const left = room - rows.reduce((sum, each) => sum + each, 0);
    const turns = [
      ...this.#draft(left),
      ...reading.map((sequence, i) => ({ sequence, rows: rows[i] ?? 0 })),
    ].filter((turn) => turn.rows > 0);
    for (const sequence of this.#decoding) this.waiting.serve(sequence, 1);
    return turns;
  }

  /** Records that the tokens of these turns are in the cache now. Sequences that ended meanwhile are left alone. */
  complete(turns: readonly Turn<S>[]): void {
    for (const { sequence, rows } of turns) {
      if (sequence.state !== 'running') continue;
      // Whether the ids of a draft are those that come is not known yet.
      sequence.computed += rows - sequence.draft.length;
      this.cache.seal(sequence);
    }
  }

  /** Nothing was lost and nothing is held twice. @throws CriaError */
  check(): void {
    this.cache.check(this.#running);
  }

  /** Sequences with one token to go, each with a block for it, as many as there are rows. */
  #growDecoding(): void {
    for (const sequence of this.#running.filter(({ pending }) => pending === 1)) {
      if (this.#decoding.size === this.#options.maxBatchRows) return;
      while (sequence.state === 'running' && !this.cache.grow(sequence, sequence.length))
        this.#preempt(this.#running.at(-1));
      if (sequence.state === 'running') this.#decoding.add(sequence);
    }
  }

  /** The next token of each sequence that decodes, and drafts in rows and blocks that nobody else wants now. */
  #draft(left: number): Turn<S>[] {
    let room = left;
    return [...this.#decoding].map((sequence) => {
      sequence.propose(room);
      const { length } = sequence.draft;
      if (length > 0 && !this.cache.grow(sequence, sequence.length + length)) sequence.propose(0);
      room -= sequence.draft.length;
      return { sequence, rows: 1 + sequence.draft.length };
    });
  }

  /** Admits who is next while there is room: a row, a place and blocks. */
  #admit(): void {
    const skipped = new Set<S>();
    const { maxBatchRows, maxSequences } = this.#options;
    // A look at so many that wait for others at most: the queue may be long.
    while (skipped.size <= maxSequences && this.#running.length < maxBatchRows) {
      const sequence = this.waiting.next(skipped);
      if (!sequence) return;
      const found = this.cache.match(sequence);
      if (this.#isComing(sequence, found.length)) skipped.add(sequence);
      else if (!this.#makeRoom(sequence, found)) return;
      else this.#start(sequence, found);
    }
  }

  #start(sequence: S, found: readonly number[]): void {
    this.waiting.start(sequence);
    this.#running.push(sequence);
    sequence.state = 'running';
    this.cache.admit(sequence, found);
    // Its prompt counts from here on, so that two shares that come together start with a text each.
    this.waiting.serve(sequence, sequence.pending);
    this.#cachedTokens += sequence.computed;
    sequence.cached ??= sequence.computed;
  }

  /** Whether there is a place and blocks for it, after others that have too much made theirs free. */
  #makeRoom(sequence: S, found: readonly number[]): boolean {
    while (!this.#fits(sequence, found)) {
      const victim = this.#whoYieldsTo(sequence);
      if (!victim) return false;
      this.#preempt(victim);
    }
    return true;
  }

  #fits(sequence: S, found: readonly number[]): boolean {
    const running = this.#running.length;
    if (running >= this.#options.maxSequences) return false;
    // A block for each that runs already, else the first that grows would send it away again.
    const left = this.cache.pool.freeCount - this.cache.cost(sequence, found);
    return left >= running;
  }

  /** The running sequence whose place this one may take. */
  #whoYieldsTo({ share, priority }: S): S | undefined {
    const lowest = Math.min(...this.#running.map((each) => each.priority));
    if (lowest < priority) return this.#running.findLast((each) => each.priority === lowest);
    if (this.waiting.runningOf(share) > 0) return undefined;
    // Of equals only: a higher priority keeps its places.
    const equals = this.#running.filter((each) => each.priority === priority);
    const counts = equals.map((each) => this.waiting.runningOf(each.share));
    const most = Math.max(...counts);
    return most > 1 ? equals.findLast((_, i) => counts[i] === most) : undefined;
  }

  /** Whether the next block of a waiting sequence is about to be computed by one that runs. */
  #isComing(sequence: S, foundBlocks: number): boolean {
    const end = (foundBlocks + 1) * this.cache.pool.blockSize;
    if (!this.cache.shares || sequence.fresh || end >= sequence.length) return false;
    return this.#running.some(
      (other) =>
        other.salt === sequence.salt &&
        other.computed < end &&
        other.length >= end &&
        sameBeginning(other.ids, sequence.ids, end),
    );
  }

  #preempt(sequence: S | undefined): void {
    if (!sequence) return fail('scheduler.schedule', 'blocks ran out with nothing running.');
    this.#running.splice(this.#running.indexOf(sequence), 1);
    this.cache.release(sequence);
    this.#decoding.delete(sequence);
    sequence.state = 'waiting';
    this.waiting.add(sequence);
    this.waiting.stop(sequence);
    this.#preemptions++;
  }
}

function sameBeginning(a: Int32Array, b: Int32Array, length: number): boolean {
  for (let i = length - 1; i >= 0; i--) if (a[i] !== b[i]) return false; // ends differ sooner
  return true;
}
