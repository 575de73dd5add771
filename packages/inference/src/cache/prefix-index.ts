import { fail } from '@cria/tensor';

/** Before the first block of every text. */
export const ROOT = 0;

/** What a block holds: so many ids of a text from `from` on, after all those of the node `parent`. */
export interface BlockContent {
  /** The node of the block before; `ROOT` for the first one. */
  readonly parent: number;
  readonly ids: Int32Array;
  readonly from: number;
  /** Texts of different salts share nothing. */
  readonly salt: string;
}

/**
 * Finds full blocks by what they hold. Each one that is known is a node with a number that is never
 * used again; a block is found by a hash of its parent's number and its own ids, and then both are
 * compared. So a hit is certain: what two texts share is the whole beginning, though only one
 * block of ids is looked at a time. The hash is seeded, lest somebody choose ids that collide.
 *
 * Invariant: `#blocks` holds exactly the blocks whose node is not 0.
 */
export class PrefixIndex {
  readonly #blockSize: number;
  readonly #seed: Uint32Array;
  /** Block by the hash of its content. */
  readonly #blocks: Map<number, number>;
  /** Of each block: its node (0 where it is unknown), its parent's node, its hash, ids and salt. */
  readonly #nodes: Float64Array;
  readonly #parents: Float64Array;
  readonly #hashes: Float64Array;
  readonly #ids: Int32Array;
  readonly #salts: string[];
  #lastNode = ROOT;

  /** `seed`: two words that nobody else knows; default random. `table`: an empty map, of a test's own. */
  constructor(
    blocks: number,
    blockSize: number,
    seed = crypto.getRandomValues(new Uint32Array(2)),
    table = new Map<number, number>(),
  ) {
    this.#blocks = table;
    this.#blockSize = blockSize;
    this.#seed = seed;
    this.#nodes = new Float64Array(blocks);
    this.#parents = new Float64Array(blocks);
    this.#hashes = new Float64Array(blocks);
    this.#ids = new Int32Array(blocks * blockSize);
    this.#salts = Array.from({ length: blocks }, () => '');
  }

  /** Blocks that can be found. */
  get size(): number {
    return this.#blocks.size;
  }

  /** Node of a block; 0 where it is unknown. */
  nodeOf(block: number): number {
    return this.#nodes[block] ?? 0;
  }

  /** The block that holds this, or −1. */
  find(content: BlockContent): number {
    const block = this.#blocks.get(this.#hash(content));
    return block !== undefined && this.#holds(block, content) ? block : -1;
  }

  /** Makes a block known by what it holds; its node, or that of the block that holds the same already. */
  add(block: number, content: BlockContent): number {
    if (this.nodeOf(block) !== 0) fail('prefixIndex.add', `block ${block} is known already.`);
    const hash = this.#hash(content);
    const known = this.#blocks.get(hash);
    if (known !== undefined) {
      if (this.#holds(known, content)) return this.nodeOf(known);
      this.forget(known); // other content of the same hash: the newer one is the likelier to be asked for
    }
    this.#blocks.set(hash, block);
    this.#hashes[block] = hash;
    this.#parents[block] = content.parent;
    this.#salts[block] = content.salt;
    this.#ids.set(
      content.ids.subarray(content.from, content.from + this.#blockSize),
      block * this.#blockSize,
    );
    return (this.#nodes[block] = ++this.#lastNode);
  }

  /** The block is used for something else from now on. */
  forget(block: number): void {
    if (this.nodeOf(block) === 0) return;
    this.#blocks.delete(this.#hashes[block] ?? NaN);
    this.#nodes[block] = 0;
    this.#salts[block] = '';
  }

  #holds(block: number, { parent, ids, from, salt }: BlockContent): boolean {
    if (this.#parents[block] !== parent || this.#salts[block] !== salt) return false;
    const start = block * this.#blockSize;
    for (let i = 0; i < this.#blockSize; i++) if (this.#ids[start + i] !== ids[from + i]) return false;
    return true;
  }

  /** 53 bits of two lanes, each over the parent, the salt where a text begins, and the ids. */
  #hash({ parent, ids, from, salt }: BlockContent): number {
    let [a = 0, b = 0] = this.#seed;
    const mix = (word: number): void => {
      // Rounds of MurmurHash3 with a different odd factor in each lane.
      a = Math.imul(a ^ word, 0xcc9e2d51);
      a ^= a >>> 15;
      b = Math.imul(b ^ word, 0x1b873593) + 0x6ed9eba1;
      b ^= b >>> 13;
    };
    mix(parent | 0);
    mix((parent / 2 ** 32) | 0);
    if (parent === ROOT) for (let i = 0; i < salt.length; i++) mix(salt.charCodeAt(i));
    for (let i = from; i < from + this.#blockSize; i++) mix(ids[i] ?? -1);
    return (a >>> 0) * 2 ** 21 + (b >>> 11);
  }
}
