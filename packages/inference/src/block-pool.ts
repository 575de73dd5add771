import { fail } from '@cria/tensor';

/**
 * Which blocks of the key/value cache are free: a stack of block numbers, so that taking and giving
 * back cost the same at any size. The pool knows numbers only; the memory they stand for is
 * `KeyValueBlocks`.
 */
export class BlockPool {
  readonly size: number;
  readonly blockSize: number;
  #free: Int32Array;
  #freeCount: number;
  #taken: Uint8Array;

  /** `size` blocks of `blockSize` tokens each. */
  constructor(size: number, blockSize: number) {
    this.size = size;
    this.blockSize = blockSize;
    this.#free = Int32Array.from({ length: size }, (_, i) => size - 1 - i);
    this.#freeCount = size;
    this.#taken = new Uint8Array(size);
  }

  get freeCount(): number {
    return this.#freeCount;
  }

  /** Blocks that hold `tokens` tokens. */
  blocksFor(tokens: number): number {
    return Math.ceil(tokens / this.blockSize);
  }

  take(): number {
    const block = this.#free[--this.#freeCount];
    if (block === undefined) {
      this.#freeCount = 0;
      fail('blockPool.take', `all ${this.size} blocks are taken.`, 'look at freeCount first');
    }
    this.#taken[block] = 1;
    return block;
  }

  giveBack(block: number): void {
    if (this.#taken[block] !== 1)
      fail('blockPool.giveBack', `block ${block} is not taken.`, 'give each block back once');
    this.#taken[block] = 0;
    this.#free[this.#freeCount++] = block;
  }
}
