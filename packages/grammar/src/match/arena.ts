import { fail } from '../errors.ts';
import { ENDLESS, flags, type Grammar } from '../grammar.ts';
import { BOTTOM, Frames } from './frames.ts';

/** In a table of steps: not looked up yet; and no text begins like this. */
export const UNKNOWN = -2;
export const NOWHERE = -1;

/** Stacks that one place of an ambiguous grammar may have at once. */
const MOST_STACKS = 4096;

/**
 * What an arena may remember before a fresh one takes over: frames, and entries of
 * step tables (4 bytes each).
 */
const MOST_FRAMES = 1 << 20;
const MOST_STEPS = 1 << 23;

/**
 * Everything that is known about a grammar's ways through text, found while it is
 * used. A place is the set of stacks that the bytes so far lead to; places are
 * numbered, and a step from one by a class of bytes is remembered.
 */
export class Arena {
  readonly grammar: Grammar;
  readonly frames = new Frames();
  /** Top frames of each place: all have a byte to go on by. */
  readonly tops: Int32Array[] = [];
  /** 1 where the text may end.   by place */
  readonly ends: number[] = [];
  /**
   * Frames that the stacks of a place had, or would have needed: what `maxDepth` is
   * compared with.
   */
  readonly reach: number[] = [];
  /** Following place by class; UNKNOWN where nobody asked yet.   by place: [C] */
  readonly steps: Int32Array[] = [];
  #maxDepth: number;
  #places = new Map<string, number>();
  #seen: number[] = [];
  #stamp = 0;
  /** Stacks that are still to be taken in: state, min, max and parent of each. */
  #pending: number[] = [];
  /** Of the place that is being made. */
  #found: number[] = [];
  #canEnd = false;
  #reach = 0;

  constructor(grammar: Grammar, maxDepth: number) {
    this.grammar = grammar;
    this.#maxDepth = maxDepth;
  }

  get isFull(): boolean {
    const steps = this.steps.length * this.grammar.starts.length;
    return this.frames.count > MOST_FRAMES || steps > MOST_STEPS;
  }

  /** Where every text begins. */
  start(): number {
    this.#open();
    this.#visit(this.grammar.start, 0, 0, BOTTOM);
    return this.#close();
  }

  /** The place that one state alone would be, in a rule that nothing called. */
  alone(state: number, min: number, max: number): number {
    this.#open();
    this.#visit(state, min, max, BOTTOM);
    return this.#close();
  }

  /**
   * The place after the rule of a top frame's caller went on: `frame` is what the
   * call left on the stack.
   */
  returned(frame: number): number {
    this.#open();
    this.#visitFrame(frame);
    return this.#close();
  }

  /** The same place in another arena. */
  copyOf(place: number, other: Arena): number {
    const copies = new Map<number, number>([[BOTTOM, BOTTOM]]);
    const { frames } = other;
    const copy = (frame: number): number => {
      const path: number[] = [];
      for (let each = frame; !copies.has(each); each = frames.parent.at(each)) path.push(each);
      for (const each of path.reverse()) {
        const parent = copies.get(frames.parent.at(each))!;
        copies.set(
          each,
          this.frames.of(frames.state.at(each), frames.min.at(each), frames.max.at(each), parent),
        );
      }
      return copies.get(frame)!;
    };
    this.#open();
    this.#found.push(...Array.from(other.tops[place]!, copy));
    this.#canEnd = other.ends[place] === 1;
    this.#reach = other.reach[place]!;
    return this.#close();
  }

  /** The place after a byte of that class; NOWHERE where there is none. */
  step(place: number, c: number): number {
    const known = this.steps[place]![c]!;
    if (known !== UNKNOWN) return known;
    const { arrowAt, arrowLow, arrowHigh, arrowTo } = this.grammar;
    const { frames } = this;
    this.#open();
    for (const top of this.tops[place]!) {
      const state = frames.state.at(top);
      for (let i = arrowAt[state]!; i < arrowAt[state + 1]!; i++) {
        if (c < arrowLow[i]! || c > arrowHigh[i]!) continue;
        this.#visit(arrowTo[i]!, frames.min.at(top), frames.max.at(top), frames.parent.at(top));
      }
    }
    const then = this.#close();
    this.steps[place]![c] = then;
    return then;
  }

  #open(): void {
    this.#stamp++;
    this.#found = [];
    this.#canEnd = false;
    this.#reach = 0;
  }

  #close(): number {
    this.#drain();
    const found = this.#found;
    if (found.length === 0 && !this.#canEnd) return NOWHERE;
    if (found.length > MOST_STACKS) {
      fail(
        'constraint',
        `the grammar is ambiguous in ${found.length} ways here.`,
        'make its alternatives differ earlier',
      );
    }
    found.sort((a, b) => a - b);
    const key = `${this.#canEnd ? '.' : ''}${found.join()}`;
    let place = this.#places.get(key);
    if (place === undefined) {
      place = this.tops.push(Int32Array.from(found)) - 1;
      this.ends.push(Number(this.#canEnd));
      this.reach.push(this.#reach);
      this.steps.push(new Int32Array(this.grammar.starts.length).fill(UNKNOWN));
      this.#places.set(key, place);
    } else this.reach[place] = Math.max(this.reach[place]!, this.#reach);
    return place;
  }

  #visitFrame(frame: number): void {
    const { state, min, max, parent } = this.frames;
    this.#visit(state.at(frame), min.at(frame), max.at(frame), parent.at(frame));
  }

  /**
   * A stack to be taken in; those of a long chain of optional parts are too many
   * for the language's own stack.
   */
  #visit(state: number, min: number, max: number, parent: number): void {
    this.#pending.push(state, min, max, parent);
  }

  #drain(): void {
    const pending = this.#pending;
    while (pending.length > 0) {
      const parent = pending.pop()!;
      const max = pending.pop()!;
      const min = pending.pop()!;
      this.#take(pending.pop()!, min, max, parent);
    }
  }

  /** Takes in a stack and all that it becomes without a byte. */
  #take(state: number, min: number, max: number, parent: number): void {
    const { grammar, frames } = this;
    const mark = grammar.flags[state]!;
    const isHead = (mark & flags.head) !== 0;
    const depth = parent === BOTTOM ? 0 : frames.depth.at(parent) + 1;
    if (!this.#fits(depth + (isHead && min === 0 ? 0 : grammar.need[state]!))) return;
    const frame = frames.of(state, min, max, parent);
    if (this.#seen[frame] === this.#stamp) return;
    this.#seen[frame] = this.#stamp;
    if ((mark & flags.final) !== 0 || (isHead && min === 0)) this.#return(parent);
    if (isHead && max === 0) return;
    if (grammar.arrowAt[state] !== grammar.arrowAt[state + 1]) this.#found.push(frame);
    const turned = (mark & flags.step) !== 0;
    const least = turned ? Math.max(0, min - 1) : min;
    const most = turned && max !== ENDLESS ? max - 1 : max;
    for (let i = grammar.hopAt[state]!; i < grammar.hopAt[state + 1]!; i++) {
      this.#visit(grammar.hopTo[i]!, least, most, parent);
    }
    for (let i = grammar.callAt[state]!; i < grammar.callAt[state + 1]!; i++) {
      this.#call(i, min, max, parent, depth);
    }
  }

  #fits(depth: number): boolean {
    this.#reach = Math.max(this.#reach, depth);
    return depth <= this.#maxDepth;
  }

  #return(parent: number): void {
    if (parent === BOTTOM) this.#canEnd = true;
    else this.#visitFrame(parent);
  }

  #call(i: number, min: number, max: number, parent: number, depth: number): void {
    const { grammar } = this;
    const then = grammar.callReturn[i]!;
    const isTail = (grammar.flags[then]! & flags.tail) !== 0;
    if (!isTail && !this.#fits(depth + grammar.need[then]!)) return;
    const beneath = isTail ? parent : this.frames.of(then, min, max, parent);
    this.#visit(grammar.callTo[i]!, grammar.callMin[i]!, grammar.callMax[i]!, beneath);
  }
}
