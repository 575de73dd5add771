/** Half of the weight is on the texts of so many last milliseconds. */
const HALF_LIFE = 10_000;

/** Bounds of what a client is told to wait, in milliseconds. */
const LEAST = 250;
const MOST = 60_000;

/**
 * How fast texts end, from the intervals between their ends: when somebody finds the queue full,
 * this says when there will be room.
 */
export class DrainRate {
  readonly #now: () => number;
  /** Decaying sums: texts that ended, and milliseconds in which the server had something to do. */
  #texts = 0;
  #busy = 0;
  #since: number | undefined;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** A text begins where none was on the way. */
  begin(): void {
    this.#since ??= this.#now();
  }

  /** A text ended; `left` are still on the way. */
  end(left: number): void {
    const now = this.#now();
    const passed = now - (this.#since ?? now);
    const keep = 2 ** (-passed / HALF_LIFE);
    this.#texts = this.#texts * keep + 1;
    this.#busy = this.#busy * keep + passed;
    this.#since = left > 0 ? now : undefined;
  }

  /** Milliseconds until so many texts will have ended, at the rate so far; a second where there is none. */
  wait(texts: number): number {
    if (this.#texts === 0 || this.#busy === 0) return 1000;
    return Math.min(MOST, Math.max(LEAST, (texts * this.#busy) / this.#texts));
  }
}
