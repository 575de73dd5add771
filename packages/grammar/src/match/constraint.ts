import { classesOf } from '../automata/dfa.ts';
import { checkOptions, fail } from '../errors.ts';
import type { Grammar } from '../grammar.ts';
import { Arena, NOWHERE } from './arena.ts';
import { Masks } from './masks.ts';
import type { TokenTrie } from './token-trie.ts';

export interface MatcherOptions {
  /**
   * Frames on the stack: how deep recursion may go. What would be deeper is never
   * allowed, so that a text can always be finished. Values of JSON take two or
   * three frames a level. Default 256.
   */
  readonly maxDepth?: number;
}

/** A grammar over a vocabulary: what all texts under it find out is shared. */
export class Matcher {
  readonly grammar: Grammar;
  readonly trie: TokenTrie;
  readonly classOf: Uint8Array;
  #maxDepth: number;
  #arena: Arena;
  #masks: Masks;

  constructor(grammar: Grammar, trie: TokenTrie, options: MatcherOptions = {}) {
    checkOptions('Matcher', options, ['maxDepth']);
    this.#maxDepth = options.maxDepth ?? 256;
    const need = grammar.need[grammar.start]!;
    if (!(this.#maxDepth >= need)) {
      fail('Matcher', `maxDepth is ${this.#maxDepth}, and the least text needs ${need}.`, 'raise maxDepth');
    }
    this.grammar = grammar;
    this.trie = trie;
    this.classOf = classesOf(grammar.starts);
    this.#arena = new Arena(grammar, this.#maxDepth);
    this.#masks = new Masks(this.#arena, trie, this.#maxDepth);
  }

  /** A text of its own. */
  start(): Constraint {
    const { arena, masks } = this.room();
    return new Constraint(this, [{ arena, masks, place: arena.start(), ended: false }]);
  }

  /** Where new places are noted: a fresh arena where the last one is full. */
  room(): { readonly arena: Arena; readonly masks: Masks } {
    if (this.#arena.isFull) {
      this.#arena = new Arena(this.grammar, this.#maxDepth);
      this.#masks = new Masks(this.#arena, this.trie, this.#maxDepth);
    }
    return { arena: this.#arena, masks: this.#masks };
  }
}

interface Position {
  readonly arena: Arena;
  readonly masks: Masks;
  readonly place: number;
  /** An id that ends the text was taken. */
  readonly ended: boolean;
}

/** Tokens that can be taken back. */
const KEPT_POSITIONS = 4096;

/** What one text may go on with. */
export class Constraint {
  #matcher: Matcher;
  /**
   * After each token, the last `KEPT_POSITIONS` of them; the first is the oldest
   * that can be returned to.
   */
  #positions: Position[];

  /** Made by `Matcher.start` and `clone`. */
  constructor(matcher: Matcher, positions: Position[]) {
    this.#matcher = matcher;
    this.#positions = positions;
  }

  get #now(): Position {
    return this.#positions.at(-1)!;
  }

  /** Whether the text may end here. */
  get mayEnd(): boolean {
    const { arena, place, ended } = this.#now;
    return ended || arena.ends[place] === 1;
  }

  /** Whether nothing can follow. */
  get isComplete(): boolean {
    const { arena, place, ended } = this.#now;
    return ended || (arena.ends[place] === 1 && arena.tops[place]!.length === 0);
  }

  /**
   * Writes one bit an id that may follow, from the lowest bit of the first word on;
   * ids that end the text where it may end. Words beyond the vocabulary become 0.
   *                                                       bits: [⌈V / 32⌉ or more]
   * @returns whether there is any: a vocabulary without the bytes needed can leave
   * none
   */
  mask(bits: Uint32Array): boolean {
    const { words } = this.#matcher.trie;
    if (bits.length < words)
      fail('constraint', `a mask of ${bits.length} words is too short.`, `give ${words}`);
    if (this.#now.ended) {
      bits.fill(0);
      return false;
    }
    const mask = this.#now.masks.of(this.#now.place);
    bits.set(mask);
    bits.fill(0, words);
    return mask.some((word) => word !== 0);
  }

  /** Whether `accept` would take this id. */
  allows(id: number): boolean {
    return this.#after(id) !== undefined;
  }

  /**
   * Goes on by a token. @throws GrammarError where the grammar does not allow it;
   * nothing has changed then
   */
  accept(id: number): void {
    const next = this.#after(id);
    if (next === undefined)
      fail('constraint', `token ${id} does not fit the grammar here.`, 'choose by mask()');
    this.#positions.push(next);
    if (this.#positions.length > 2 * KEPT_POSITIONS) this.#positions.splice(0, KEPT_POSITIONS);
  }

  /** Takes the last `count` tokens back. */
  rollback(count: number): void {
    const most = this.#positions.length - 1;
    if (!(Number.isInteger(count) && count >= 0 && count <= most)) {
      fail('constraint', `${count} tokens cannot be taken back.`, `0 to ${most} can`);
    }
    this.#positions.length -= count;
  }

  /** The same text so far; both go their own ways from here. */
  clone(): Constraint {
    return new Constraint(this.#matcher, [...this.#positions]);
  }

  /**
   * The bytes that must come next whatever is chosen, up to the first choice or
   * 4,096.
   */
  forcedBytes(): Uint8Array {
    const { ended } = this.#now;
    const { starts } = this.#matcher.grammar;
    const forced: number[] = [];
    const { arena, place: first } = this.#roomy();
    let place = first;
    while (!ended && forced.length < 4096 && arena.ends[place] === 0) {
      const open = [...starts.keys()].filter((c) => arena.step(place, c) !== NOWHERE);
      const c = open[0];
      if (c === undefined || open.length > 1 || (starts[c + 1] ?? 256) - starts[c]! > 1) break;
      forced.push(starts[c]!);
      place = arena.step(place, c);
    }
    return Uint8Array.from(forced);
  }

  #roomy(): Position {
    const now = this.#now;
    const { arena, masks } = this.#matcher.room();
    if (arena === now.arena || !now.arena.isFull) return now;
    return { arena, masks, place: arena.copyOf(now.place, now.arena), ended: now.ended };
  }

  #after(id: number): Position | undefined {
    if (this.#now.ended) return undefined;
    const { trie, classOf } = this.#matcher;
    const bytes = trie.bytesOf(id);
    const { arena, masks, place } = this.#roomy();
    if (bytes === undefined) {
      const ends = trie.endIds.includes(id) && arena.ends[place] === 1;
      return ends ? { arena, masks, place, ended: true } : undefined;
    }
    let then = place;
    for (const byte of bytes) {
      then = arena.step(then, classOf[byte]!);
      if (then === NOWHERE) return undefined;
    }
    return { arena, masks, place: then, ended: false };
  }
}
