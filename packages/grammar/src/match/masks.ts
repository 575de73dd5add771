import { ENDLESS } from '../grammar.ts';
import { classesOf } from '../automata/dfa.ts';
import { type Arena, NOWHERE, UNKNOWN } from './arena.ts';
import { BOTTOM } from './frames.ts';
import type { TokenTrie } from './token-trie.ts';

/** Bytes of finished masks that are kept; the oldest go first. */
const KEPT_BYTES = 32 * 2 ** 20;

/** What a frame's state allows whatever lies beneath it. */
interface Alone {
  /** Tokens that stay within the rule, or end where it may end.   [words] */
  readonly bits: Uint32Array;
  /**
   * Nodes of the trie at which the rule may end while tokens go on: those depend on
   * the caller.
   */
  readonly exits: Int32Array;
  /** Frames that any of its tokens put on top. */
  readonly reach: number;
}

/**
 * Masks of places. Most tokens stay within the rule on top of the stack, so what
 * its state allows is found once and shared by all stacks; only tokens that go on
 * after the rule's end are followed through each caller.
 */
export class Masks {
  #arena: Arena;
  #trie: TokenTrie;
  #maxDepth: number;
  #classOf: Uint8Array;
  #alone = new Map<string, Alone>();
  #kept = new Map<number, Uint32Array>();
  #most: number;
  /** Places along the path to the node that is looked at. */
  #path: Int32Array;

  constructor(arena: Arena, trie: TokenTrie, maxDepth: number) {
    this.#arena = arena;
    this.#trie = trie;
    this.#maxDepth = maxDepth;
    this.#classOf = classesOf(arena.grammar.starts);
    this.#most = Math.max(16, Math.floor(KEPT_BYTES / (4 * trie.words + 64)));
    this.#path = new Int32Array(trie.longest + 2);
  }

  /**
   * One bit an id that may follow, ends of text included. The same array every
   * time: not to be written.
   */
  of(place: number): Uint32Array {
    const known = this.#kept.get(place);
    if (known) return known;
    const bits = new Uint32Array(this.#trie.words);
    if (!this.#fromAlone(place, bits)) this.#walk(place, 0, this.#trie.skip.length, bits);
    if (this.#arena.ends[place] === 1) {
      for (const id of this.#trie.endIds) bits[id >> 5]! |= 1 << (id & 31);
    }
    if (this.#kept.size >= this.#most) this.#kept.delete(this.#kept.keys().next().value!);
    this.#kept.set(place, bits);
    return bits;
  }

  /**
   * False where a stack is so deep that what its state allows alone would be too
   * much.
   */
  #fromAlone(place: number, bits: Uint32Array): boolean {
    const { frames, tops } = this.#arena;
    for (const top of tops[place]!) {
      const alone = this.#aloneOf(frames.state.at(top), frames.min.at(top), frames.max.at(top));
      if (frames.depth.at(top) + alone.reach > this.#maxDepth) return false;
      for (let w = 0; w < bits.length; w++) bits[w]! |= alone.bits[w]!;
      const parent = frames.parent.at(top);
      if (parent === BOTTOM || alone.exits.length === 0) continue;
      const caller = this.#arena.returned(parent);
      if (caller === NOWHERE) continue;
      for (const node of alone.exits) this.#walk(caller, node + 1, this.#trie.skip[node]!, bits);
    }
    return true;
  }

  /** Counters beyond what a token can use up are as good as endless. */
  #aloneOf(state: number, min: number, max: number): Alone {
    const { longest } = this.#trie;
    const least = Math.min(min, longest + 1);
    const most = max > longest ? ENDLESS : max;
    const key = `${state},${least},${most}`;
    let alone = this.#alone.get(key);
    if (alone === undefined) {
      const bits = new Uint32Array(this.#trie.words);
      const exits: number[] = [];
      const place = this.#arena.alone(state, least, most);
      const reach = this.#walk(place, 0, this.#trie.skip.length, bits, exits);
      alone = { bits, exits: Int32Array.from(exits), reach };
      this.#alone.set(key, alone);
    }
    return alone;
  }

  /**
   * Sets the bits of all tokens at nodes `from` to `to`, siblings and what is below
   * them, that `place` allows; the place is where their parent node led. Collects
   * the nodes at which the text may end while tokens go on.
   */
  #walk(place: number, from: number, to: number, bits: Uint32Array, exits?: number[]): number {
    const { byteOf, depthOf, skip, idAt, ids } = this.#trie;
    const { steps, ends, reach } = this.#arena;
    const arena = this.#arena;
    const classOf = this.#classOf;
    const path = this.#path;
    if (from >= to) return 0;
    const base = depthOf[from]! - 1;
    path[0] = place;
    let most = reach[place]!;
    let node = from;
    while (node < to) {
      const depth = depthOf[node]! - base;
      const at = path[depth - 1]!;
      const c = classOf[byteOf[node]!]!;
      let then = steps[at]![c]!;
      if (then === UNKNOWN) then = arena.step(at, c);
      if (then === NOWHERE) {
        node = skip[node]!;
        continue;
      }
      path[depth] = then;
      if (reach[then]! > most) most = reach[then]!;
      for (let i = idAt[node]!; i < idAt[node + 1]!; i++) {
        const id = ids[i]!;
        bits[id >> 5]! |= 1 << (id & 31);
      }
      if (exits !== undefined && ends[then] === 1 && skip[node]! > node + 1) exits.push(node);
      node++;
    }
    return most;
  }
}
