import type { Sequence } from '../sequence/sequence.ts';

/** One party: its sequences that wait, and what it has had so far. */
interface Share<S> {
  /** Best first: higher priority, then earlier arrival. */
  readonly waiting: S[];
  running: number;
  /** Tokens that were computed for it, counted from where the least served one stood when it came. */
  served: number;
}

/**
 * Sequences that wait, by priority, and among equals by what their share has: the next one is of a
 * share that has none running, else of the one that fewest tokens were computed for, the earliest
 * of those that are equal. So parties that always want more get the same number of tokens each,
 * however long their texts are and however many they send (fair queueing as in Sheng et al. 2024,
 * "Fairness in serving large language models", whose counters are the deficits of a round robin in
 * tokens). A party that comes new, or again, has no credit for the time before: it starts where the
 * least served one stands.
 */
export class WaitingQueue<S extends Sequence = Sequence> {
  readonly #shares = new Map<unknown, Share<S>>();
  readonly #arrivals = new Map<S, number>();
  #arrived = 0;
  #size = 0;
  #tokens = 0;
  /** No deadline lies before it. */
  #nextDeadline = Infinity;

  /** Sequences that wait. */
  get size(): number {
    return this.#size;
  }

  /** Ids of all sequences that wait, together. */
  get tokens(): number {
    return this.#tokens;
  }

  /** All that wait, share by share. */
  *[Symbol.iterator](): IterableIterator<S> {
    for (const { waiting } of this.#shares.values()) yield* waiting;
  }

  /** A sequence comes, or comes back: then it stands where it stood. */
  add(sequence: S): void {
    const { waiting } = this.#shareOf(sequence);
    if (!this.#arrivals.has(sequence)) this.#arrivals.set(sequence, this.#arrived++);
    const place = waiting.findIndex((other) => this.#before(sequence, other));
    waiting.splice(place < 0 ? waiting.length : place, 0, sequence);
    this.#size++;
    this.#tokens += sequence.length;
    if (sequence.cached === undefined) this.#nextDeadline = Math.min(this.#nextDeadline, sequence.deadline);
  }

  /** The one that should start next, of those that `skipped` does not hold. */
  next(skipped?: ReadonlySet<S>): S | undefined {
    let best: { sequence: S; share: Share<S> } | undefined;
    for (const share of this.#shares.values()) {
      const { waiting } = share;
      const sequence = skipped ? waiting.find((each) => !skipped.has(each)) : waiting[0];
      if (sequence && (!best || this.#sooner(sequence, share, best.sequence, best.share)))
        best = { sequence, share };
    }
    return best?.sequence;
  }

  /** It runs from now on. */
  start(sequence: S): void {
    this.#take(sequence);
    this.#shareOf(sequence).running++;
  }

  /** It runs no more, and comes back or not. */
  stop(sequence: S): void {
    this.#shareOf(sequence).running--;
    this.#forgetIdle(sequence.share);
  }

  /** It waits no more. */
  remove(sequence: S): void {
    if (this.#take(sequence)) this.#forgetIdle(sequence.share);
  }

  /** It will not come back. */
  forget(sequence: S): void {
    this.#arrivals.delete(sequence);
  }

  /** So many tokens are computed for it. */
  serve(sequence: S, tokens: number): void {
    this.#shareOf(sequence).served += tokens;
  }

  /** How many sequences of a share run. */
  runningOf(share: unknown): number {
    return this.#shares.get(share)?.running ?? 0;
  }

  /** Those that have not been started by their deadline; they are taken out. */
  expire(now: number): S[] {
    if (now <= this.#nextDeadline) return [];
    const late: S[] = [];
    this.#nextDeadline = Infinity;
    for (const sequence of this) {
      if (sequence.cached !== undefined) continue; // it was started once
      if (now > sequence.deadline) late.push(sequence);
      else this.#nextDeadline = Math.min(this.#nextDeadline, sequence.deadline);
    }
    for (const sequence of late) this.remove(sequence);
    return late;
  }

  #before(a: S, b: S): boolean {
    if (a.priority !== b.priority) return a.priority > b.priority;
    return (this.#arrivals.get(a) ?? 0) < (this.#arrivals.get(b) ?? 0);
  }

  #sooner(a: S, of: Share<S>, b: S, other: Share<S>): boolean {
    if (a.priority !== b.priority) return a.priority > b.priority;
    if ((of.running === 0) !== (other.running === 0)) return of.running === 0;
    return of.served === other.served ? this.#before(a, b) : of.served < other.served;
  }

  #shareOf(sequence: S): Share<S> {
    let share = this.#shares.get(sequence.share);
    if (share) return share;
    const least = Math.min(...[...this.#shares.values()].map(({ served }) => served));
    share = { waiting: [], running: 0, served: least === Infinity ? 0 : least };
    this.#shares.set(sequence.share, share);
    return share;
  }

  #take(sequence: S): boolean {
    const { waiting } = this.#shareOf(sequence);
    const at = waiting.indexOf(sequence);
    if (at < 0) return false;
    waiting.splice(at, 1);
    this.#size--;
    this.#tokens -= sequence.length;
    return true;
  }

  /** Who wants nothing is not kept. */
  #forgetIdle(key: unknown): void {
    const share = this.#shares.get(key);
    if (share && share.running === 0 && share.waiting.length === 0) this.#shares.delete(key);
  }
}
