import type { Budget } from '../budget.ts';
import { encodeSet, type Encoding } from './code-set.ts';
import { classesOf, DEAD, type Dfa, minimise } from './dfa.ts';
import type { Expression } from './expression.ts';

/**
 * Iterations of a repetition that are written out rather than counted, where a
 * counter is possible.
 */
const UNROLLED = 3;

/**
 * Says how a builder makes what is not regular. Without it rules are refused and
 * repetitions written out.
 */
export interface CallMaker {
  /** Goes on at `to` after a text of the rule. */
  callRule(from: number, rule: number, to: number): void;
  /** Goes on at `to` after min to max texts of `part`, none of which is empty. */
  callCounter(from: number, part: Expression, min: number, max: number, to: number): void;
}

/**
 * Expressions as a nondeterministic automaton over bytes (Thompson 1968). `build(x,
 * from, to)` adds ways from `from` to `to`: never an arrow into `from` or out of
 * `to`, so that alternatives may share both.
 */
export class NfaBuilder {
  /** Byte arrows: from, first byte, last byte, to.   [4 · arrows] */
  readonly arrows: number[] = [];
  /**
   * Arrows without a byte: from, to; and those passable at the start, or at the
   * end, of the text only.   [2 · each]
   */
  readonly hops: number[] = [];
  readonly startHops: number[] = [];
  readonly endHops: number[] = [];
  states = 0;
  #budget: Budget;
  #encoding: Encoding;
  #calls: CallMaker | undefined;

  constructor(budget: Budget, encoding: Encoding, calls?: CallMaker) {
    this.#budget = budget;
    this.#encoding = encoding;
    this.#calls = calls;
  }

  state(): number {
    this.#budget.states(1);
    return this.states++;
  }

  build(x: Expression, from: number, to: number): void {
    this.#budget.work(1);
    switch (x.kind) {
      case 'bytes':
        return this.#product(
          [...x.bytes].map((byte) => [byte, byte] as const),
          from,
          to,
        );
      case 'set':
        for (const product of encodeSet(x.set, this.#encoding)) this.#product(product, from, to);
        return;
      case 'sequence':
        return this.#sequence(x.parts, from, to);
      case 'choice':
        for (const part of x.parts) this.build(part, from, to);
        return;
      case 'repeat':
        return this.#repeat(x.part, x.min, x.max, from, to);
      case 'automaton':
        return this.#automaton(x.dfa, from, to);
      case 'start':
        this.startHops.push(from, to);
        return;
      case 'end':
        this.endHops.push(from, to);
        return;
      case 'rule':
        if (this.#calls === undefined) throw new Error('a rule inside a regular expression');
        this.#calls.callRule(from, x.rule, to);
    }
  }

  #product(product: readonly (readonly [number, number])[], from: number, to: number): void {
    if (product.length === 0) this.hops.push(from, to);
    let at = from;
    for (const [i, [low, high]] of product.entries()) {
      const then = i === product.length - 1 ? to : this.state();
      this.arrows.push(at, low, high, then);
      at = then;
    }
  }

  #sequence(parts: readonly Expression[], from: number, to: number): void {
    if (parts.length === 0) this.hops.push(from, to);
    let at = from;
    for (const [i, part] of parts.entries()) {
      const then = i === parts.length - 1 ? to : this.state();
      this.build(part, at, then);
      at = then;
    }
  }

  #repeat(part: Expression, min: number, max: number, from: number, to: number): void {
    const written = max === Infinity ? min : max;
    if (written > UNROLLED && this.#calls) return this.#calls.callCounter(from, part, min, max, to);
    let at = from;
    for (let i = 0; i < written; i++) {
      if (i >= min) this.hops.push(at, to);
      const then = this.state();
      this.build(part, at, then);
      at = then;
    }
    if (max === Infinity) at = this.#star(part, at);
    this.hops.push(at, to);
  }

  #star(part: Expression, from: number): number {
    const loop = this.state();
    const end = this.state();
    this.hops.push(from, loop, end, loop);
    this.build(part, loop, end);
    return loop;
  }

  #automaton({ starts, next, accept }: Dfa, from: number, to: number): void {
    this.#budget.states(accept.length);
    const base = this.states;
    this.states += accept.length;
    this.hops.push(from, base);
    const C = starts.length;
    for (let s = 0; s < accept.length; s++) {
      if (accept[s] === 1) this.hops.push(base + s, to);
      for (let c = 0; c < C; c++) {
        const then = next[s * C + c]!;
        if (then === DEAD) continue;
        let last = c; // neighbouring classes with one end are one arrow
        while (last + 1 < C && next[s * C + last + 1] === then) last++;
        const high = last + 1 < C ? starts[last + 1]! - 1 : 255;
        this.arrows.push(base + s, starts[c]!, high, base + then);
        c = last;
      }
    }
  }
}

/** Arrows by their first state, as lists. */
function grouped(flat: readonly number[], stride: number, states: number): number[][] {
  const lists: number[][] = Array.from({ length: states }, () => []);
  for (let i = 0; i < flat.length; i += stride) lists[flat[i]!]!.push(...flat.slice(i + 1, i + stride));
  return lists;
}

/**
 * The regular set of an expression, anchors understood, as the automaton of least
 * size.
 */
export function determinise(x: Expression, encoding: Encoding, budget: Budget): Dfa {
  const nfa = new NfaBuilder(budget, encoding);
  const [from, to] = [nfa.state(), nfa.state()];
  nfa.build(x, from, to);
  return minimise(new Subsets(nfa, to, budget).from(from), budget);
}

/** The subset construction (Rabin and Scott 1959) for one automaton. */
class Subsets {
  #arrows: number[][];
  #hops: number[][];
  #startHops: number[][];
  #endHops: number[][];
  #seen: Uint32Array;
  #stamp = 0;
  #starts: Uint8Array;
  #classOf: Uint8Array;
  #final: number;
  #budget: Budget;

  constructor(nfa: NfaBuilder, final: number, budget: Budget) {
    this.#arrows = grouped(nfa.arrows, 4, nfa.states);
    this.#hops = grouped(nfa.hops, 2, nfa.states);
    this.#startHops = grouped(nfa.startHops, 2, nfa.states);
    this.#endHops = grouped(nfa.endHops, 2, nfa.states);
    this.#seen = new Uint32Array(nfa.states);
    this.#final = final;
    this.#budget = budget;
    const bounds = new Set([0]);
    for (let i = 0; i < nfa.arrows.length; i += 4) {
      bounds.add(nfa.arrows[i + 1]!);
      if (nfa.arrows[i + 2]! < 255) bounds.add(nfa.arrows[i + 2]! + 1);
    }
    this.#starts = Uint8Array.from(bounds).sort();
    this.#classOf = classesOf(this.#starts);
  }

  from(start: number): Dfa {
    const C = this.#starts.length;
    const subsets: number[][] = [];
    const ids = new Map<string, number>();
    const idOf = (subset: number[]): number => {
      const key = subset.join();
      let id = ids.get(key);
      if (id === undefined) {
        this.#budget.states(1);
        id = subsets.push(subset) - 1;
        ids.set(key, id);
      }
      return id;
    };
    // What begins a text is a subset of its own: only there may hops of the start be passed.
    subsets.push(this.#closure([start], [this.#hops, this.#startHops]));
    const next: number[] = [];
    const accept: number[] = [];
    for (let i = 0; i < subsets.length; i++) {
      const atEnd = i === 0 ? [this.#hops, this.#startHops, this.#endHops] : [this.#hops, this.#endHops];
      const from = i === 0 ? [start] : subsets[i]!;
      accept.push(Number(this.#closure(from, atEnd).includes(this.#final)));
      for (const target of this.#targets(subsets[i]!, C)) {
        next.push(target.length === 0 ? DEAD : idOf(this.#closure(target, [this.#hops])));
      }
    }
    return { starts: this.#starts, next: Int32Array.from(next), accept: Uint8Array.from(accept) };
  }

  /** Where each class leads from a subset. */
  #targets(subset: readonly number[], C: number): number[][] {
    const targets: number[][] = Array.from({ length: C }, () => []);
    for (const state of subset) {
      const arrows = this.#arrows[state]!;
      for (let i = 0; i < arrows.length; i += 3) {
        const last = this.#classOf[arrows[i + 1]!]!;
        this.#budget.work(last + 1 - this.#classOf[arrows[i]!]!);
        for (let c = this.#classOf[arrows[i]!]!; c <= last; c++) targets[c]!.push(arrows[i + 2]!);
      }
    }
    return targets;
  }

  /** All that hops reach, ascending. */
  #closure(states: readonly number[], kinds: readonly number[][][]): number[] {
    this.#stamp++;
    const found: number[] = [];
    const visit = (state: number) => {
      if (this.#seen[state] === this.#stamp) return;
      this.#seen[state] = this.#stamp;
      found.push(state);
    };
    for (const state of states) visit(state);
    for (let i = 0; i < found.length; i++) {
      for (const hops of kinds) for (const to of hops[found[i]!]!) visit(to);
    }
    this.#budget.work(found.length * 12);
    return found.sort((a, b) => a - b);
  }
}
