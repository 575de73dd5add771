import { fail } from '@cria/tensor';

/**
 * Who uses which block of the key/value cache: a count a block, and a doubly linked list of those
 * that nobody uses, so that any of them is taken, or taken back, in the same time at any size. A
 * block whose content is worth keeping goes to the end of the list and is the last to be taken for
 * something else; one without content goes to the front. The pool knows numbers only: the memory
 * they stand for is `KeyValueBlocks`, what they hold `PrefixIndex`.
 *
 * Invariant: a block is in the list exactly when its count is 0.
 */
export class BlockPool {
  readonly size: number;
  readonly blockSize: number;
  #counts: Int32Array;
  /** Neighbours in the list; place `size` is its head and its end.                      [size + 1] */
  #next: Int32Array;
  #previous: Int32Array;
  #freeCount: number;

  /** `size` blocks of `blockSize` tokens each. */
  constructor(size: number, blockSize: number) {
    this.size = size;
    this.blockSize = blockSize;
    this.#counts = new Int32Array(size);
    this.#next = Int32Array.from({ length: size + 1 }, (_, i) => (i + 1) % (size + 1));
    this.#previous = Int32Array.from({ length: size + 1 }, (_, i) => (i + size) % (size + 1));
    // The ring in ascending order: size → 0 → 1 → … → size.
    this.#freeCount = size;
  }

  /** Blocks that nobody uses, those whose content is kept among them. */
  get freeCount(): number {
    return this.#freeCount;
  }

  /** Blocks that hold `tokens` tokens. */
  blocksFor(tokens: number): number {
    return Math.ceil(tokens / this.blockSize);
  }

  /** How many use a block. */
  users(block: number): number {
    return this.#counts[block] ?? fail('blockPool', `there is no block ${block} of ${this.size}.`);
  }

  /** The block that was of no use for the longest time, now with one user. */
  take(): number {
    const block = this.#next[this.size] ?? this.size;
    if (block === this.size)
      fail('blockPool.take', `all ${this.size} blocks are taken.`, 'look at freeCount first');
    this.#unlink(block);
    this.#counts[block] = 1;
    return block;
  }

  /** One more user of a block, whether or not it has any. */
  share(block: number): void {
    const users = this.users(block);
    if (users === 0) this.#unlink(block);
    this.#counts[block] = users + 1;
  }

  /** One user less. `kept`: its content may be wanted again. */
  giveBack(block: number, kept = false): void {
    const users = this.users(block);
    if (users === 0) fail('blockPool.giveBack', `block ${block} is not taken.`, 'give each block back once');
    this.#counts[block] = users - 1;
    if (users > 1) return;
    if (kept) this.#link(this.#previous[this.size] ?? this.size, block);
    else this.#link(this.size, block);
  }

  /** The list against the counts. @throws CriaError where they contradict each other */
  check(): void {
    let listed = 0;
    let before = this.size;
    for (let block = this.#next[this.size]; block !== this.size; block = this.#next[block ?? 0]) {
      if (block === undefined || listed++ > this.size) return fail('blockPool.check', 'the list has no end.');
      if (this.users(block) !== 0 || this.#previous[block] !== before)
        fail('blockPool.check', `block ${block} of ${this.users(block)} users is in the list.`);
      before = block;
    }
    const unused = this.#counts.reduce((sum, users) => sum + (users === 0 ? 1 : 0), 0);
    if (listed !== this.#freeCount || unused !== listed)
      fail('blockPool.check', `${listed} blocks are listed, ${this.#freeCount} free, ${unused} unused.`);
  }

  #unlink(block: number): void {
    const [previous, next] = [this.#previous[block] ?? 0, this.#next[block] ?? 0];
    this.#next[previous] = next;
    this.#previous[next] = previous;
    this.#freeCount--;
  }

  #link(previous: number, block: number): void {
    const next = this.#next[previous] ?? 0;
    this.#next[previous] = block;
    this.#next[block] = next;
    this.#previous[block] = previous;
    this.#previous[next] = block;
    this.#freeCount++;
  }
}
