/** What decides when a sequence is computed, and with whom it may share blocks. Nothing here changes its ids. */
export interface SequenceOptions {
  /** Higher comes first. Default 0. */
  readonly priority?: number;
  /** Who shares the machine: sequences of one share are one party. Default a share of its own. */
  readonly share?: unknown;
  /** Only sequences of the same salt share blocks. Default ''. */
  readonly salt?: string;
  /** Take nothing from the cache: every row of the prompt is wanted. Default false. */
  readonly fresh?: boolean;
  /** Most of its tokens in one step. Default any number. */
  readonly mostRows?: number;
  /** Time of the engine's clock, in seconds, after which it is not started any more. Default never. */
  readonly deadline?: number;
}

const NO_IDS = new Int32Array(0);

/**
 * Ids being continued, as the scheduler sees them: those so far, how many of them the cache holds,
 * and the blocks that hold them. The rule of the whole engine: each step, `computed` catches up
 * with `length`; when it has, one more id is chosen.
 */
export class Sequence {
  /** Length of the prompt in tokens. */
  readonly promptLength: number;
  readonly priority: number;
  readonly share: unknown;
  readonly salt: string;
  readonly fresh: boolean;
  readonly mostRows: number;
  readonly deadline: number;
  /** Cache blocks, in the order of the text; `BlockCache` alone changes them. */
  readonly blocks: number[] = [];
  /** Blocks at the beginning that the index knows, and its node of the last of them. */
  sealed = 0;
  node = 0;
  /** Tokens whose keys and values are in the cache. */
  computed = 0;
  /** Tokens that were in the cache when it was first admitted; undefined before. */
  cached: number | undefined;
  state: 'waiting' | 'running' | 'finished' = 'waiting';
  /** Ids that may follow, and go through the model in this step on trial. */
  draft: Int32Array = NO_IDS;
  #ids: Int32Array;
  #length: number;

  constructor(prompt: ArrayLike<number>, options: SequenceOptions = {}) {
    this.promptLength = prompt.length;
    this.priority = options.priority ?? 0;
    this.share = options.share ?? this;
    this.salt = options.salt ?? '';
    this.fresh = options.fresh ?? false;
    this.mostRows = options.mostRows ?? Infinity;
    this.deadline = options.deadline ?? Infinity;
    this.#length = prompt.length;
    this.#ids = new Int32Array(Math.max(64, prompt.length * 2));
    this.#ids.set(prompt);
  }

  /** Prompt and generated tokens. */
  get length(): number {
    return this.#length;
  }

  get generated(): number {
    return this.#length - this.promptLength;
  }

  /** Tokens the model has still to see. 0 only between choosing nothing and finishing. */
  get pending(): number {
    return this.#length - this.computed;
  }

  /** A view of all ids, valid until the next `append`. */
  get ids(): Int32Array {
    return this.#ids.subarray(0, this.#length);
  }

  /** Makes a draft of up to `most` ids; none, unless a kind of sequence knows how. */
  propose(_most: number): void {
    this.draft = NO_IDS;
  }

  append(id: number): void {
    if (this.#length === this.#ids.length) {
      const longer = new Int32Array(this.#ids.length * 2);
      longer.set(this.#ids);
      this.#ids = longer;
    }
    this.#ids[this.#length++] = id;
  }
}
