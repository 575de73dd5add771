import { checkOptions, fail } from './errors.ts';

/** What compiling one grammar may cost; whatever needs more is refused. */
export interface Limits {
  /**
   * States of all automata together, those made on the way included. Default
   * 200,000.
   */
  readonly states?: number;
  /**
   * Steps of work, a few nanoseconds each: the same grammar is refused on every
   * machine. Default 30,000,000.
   */
  readonly work?: number;
  /**
   * Brackets and braces open at once in the grammar's own text, a schema's nesting
   * included. Default 128.
   */
  readonly nesting?: number;
  /** A moment of `now` after which compiling is given up. Default none. */
  readonly deadline?: number;
  /** The clock of `deadline`, such as `performance.now`. */
  readonly now?: () => number;
}

/** Numbers of work between two looks at the clock. */
const LOOK_EVERY = 50_000;

/** Counts what compiling costs. */
export class Budget {
  readonly op: string;
  readonly nesting: number;
  #states: number;
  #work: number;
  #nextLook = LOOK_EVERY;
  #limits: Limits;

  constructor(op: string, limits: Limits = {}) {
    checkOptions(op, limits, ['states', 'work', 'nesting', 'deadline', 'now']);
    this.op = op;
    this.#limits = limits;
    this.#states = limits.states ?? 200_000;
    this.#work = limits.work ?? 30_000_000;
    this.nesting = limits.nesting ?? 128;
    if (limits.deadline !== undefined && limits.now === undefined) {
      fail(
        op,
        'limits.deadline is given without limits.now.',
        'pass the clock: now: () => performance.now()',
      );
    }
  }

  /** Before `count` states are made. */
  states(count: number): void {
    this.#states -= count;
    if (this.#states < 0) {
      const most = this.#limits.states ?? 200_000;
      fail(
        this.op,
        `the grammar needs more than ${most} states.`,
        'smaller repetitions or a looser pattern help',
      );
    }
    this.work(count * 4);
  }

  work(amount: number): void {
    this.#work -= amount;
    if (this.#work < 0) {
      fail(
        this.op,
        'the grammar is too much work to compile.',
        'smaller repetitions or fewer alternatives help',
      );
    }
    this.#nextLook -= amount;
    if (this.#nextLook > 0) return;
    this.#nextLook = LOOK_EVERY;
    const { deadline, now } = this.#limits;
    if (deadline !== undefined && now !== undefined && now() > deadline) {
      fail(this.op, 'the grammar was not compiled by its deadline.', 'make it smaller, or give it more time');
    }
  }
}
