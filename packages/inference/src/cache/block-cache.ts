import { fail } from '@cria/tensor';
import type { Sequence } from '../sequence/sequence.ts';
import type { BlockPool } from './block-pool.ts';
import { PrefixIndex, ROOT } from './prefix-index.ts';

/**
 * Gives sequences their blocks. A sequence gets room for all of its ids when it is admitted, with
 * the blocks that hold a beginning of it already shared instead of computed again, and a block more
 * whenever it has grown over its last one. Block tables only grow until they are given back whole.
 * Full blocks that are computed become known to the index, and stay so after their last user is
 * gone, until the pool takes them for something else.
 */
export class BlockCache {
  readonly pool: BlockPool;
  readonly #index: PrefixIndex | undefined;

  /** `seed` of the index; without an index (`null`) nothing is shared. */
  constructor(pool: BlockPool, seed?: Uint32Array<ArrayBuffer> | null) {
    this.pool = pool;
    if (seed !== null) this.#index = new PrefixIndex(pool.size, pool.blockSize, seed);
  }

  /** Blocks whose content is known. */
  get keptBlocks(): number {
    return this.#index?.size ?? 0;
  }

  /** Whether full blocks are shared. */
  get shares(): boolean {
    return this.#index !== undefined;
  }

  /**
   * Known blocks that hold the beginning of a sequence, in order. One token at least is always left
   * to compute: its logits are what comes next.
   */
  match(sequence: Sequence): number[] {
    const found: number[] = [];
    const { blockSize } = this.pool;
    const { ids, length, salt, fresh } = sequence;
    if (!this.#index || fresh) return found;
    let parent = ROOT;
    for (let from = 0; from + blockSize < length; from += blockSize) {
      const block = this.#index.find({ parent, ids, from, salt });
      if (block < 0) break;
      found.push(block);
      parent = this.#index.nodeOf(block);
    }
    return found;
  }

  /** Blocks of the pool that would be used up if a sequence were admitted with these of its blocks found. */
  cost(sequence: Sequence, found: readonly number[]): number {
    const unused = found.reduce((sum, block) => sum + (this.pool.users(block) === 0 ? 1 : 0), 0);
    return this.pool.blocksFor(sequence.length) - found.length + unused;
  }

  /** Blocks for all ids of a sequence that has none, the found ones first; they must be there. */
  admit(sequence: Sequence, found: readonly number[]): void {
    if (sequence.blocks.length > 0)
      fail('blockCache.admit', `the sequence has ${sequence.blocks.length} blocks.`);
    // All of them before any is taken: taking may use up a known one.
    for (const block of found) this.pool.share(block);
    sequence.blocks.push(...found);
    sequence.computed = found.length * this.pool.blockSize;
    const last = found.at(-1);
    sequence.sealed = found.length;
    sequence.node = last === undefined ? ROOT : (this.#index?.nodeOf(last) ?? ROOT);
    if (!this.grow(sequence, sequence.length))
      fail('blockCache.admit', `${this.pool.freeCount} free blocks for ${sequence.length} tokens.`);
  }

  /** Takes the blocks that the first `tokens` tokens lack; all of them or none. */
  grow(sequence: Sequence, tokens: number): boolean {
    const missing = this.pool.blocksFor(tokens) - sequence.blocks.length;
    if (missing > this.pool.freeCount) return false;
    for (let i = 0; i < missing; i++) {
      const block = this.pool.take();
      this.#index?.forget(block);
      sequence.blocks.push(block);
    }
    return true;
  }

  /** Makes the full blocks known that were computed since. */
  seal(sequence: Sequence): void {
    const { blockSize } = this.pool;
    if (!this.#index) return;
    const { ids, salt } = sequence;
    while ((sequence.sealed + 1) * blockSize <= sequence.computed) {
      const content = { parent: sequence.node, ids, from: sequence.sealed * blockSize, salt };
      const block = sequence.blocks[sequence.sealed];
      if (block === undefined) return fail('blockCache.seal', `no block of ${sequence.computed} tokens.`);
      sequence.node = this.#index.add(block, content);
      sequence.sealed++;
    }
  }

  /** All blocks of a sequence, its end first: of what is kept, ends of texts are the first to go. */
  release(sequence: Sequence): void {
    for (let block = sequence.blocks.pop(); block !== undefined; block = sequence.blocks.pop())
      this.pool.giveBack(block, (this.#index?.nodeOf(block) ?? 0) !== 0);
    sequence.computed = 0;
    sequence.sealed = 0;
    sequence.node = ROOT;
  }

  /** The counts against the tables of all sequences that have blocks. @throws CriaError where they differ */
  check(sequences: Iterable<Sequence>): void {
    this.pool.check();
    const users = new Int32Array(this.pool.size);
    for (const { blocks } of sequences) for (const block of blocks) users[block]!++; // its own index
    users.forEach((count, block) => {
      const counted = this.pool.users(block);
      if (counted !== count)
        fail('blockCache.check', `block ${block} is in ${count} tables and has ${counted} users.`);
    });
  }
}
