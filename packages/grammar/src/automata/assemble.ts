import type { Budget } from '../budget.ts';
import { fail } from '../errors.ts';
import { ENDLESS, flags, type Grammar } from '../grammar.ts';
import { classesOf } from './dfa.ts';
import { type Expression, isNullable, nullableRules } from './expression.ts';
import { type CallMaker, NfaBuilder } from './nfa.ts';
import { needOf } from './need.ts';
import { NonEmpty } from './non-empty.ts';
import { refuseLeftRecursion } from './left-recursion.ts';

/** A call between states that are known by number. */
export interface Call {
  readonly from: number;
  readonly to: number;
  readonly min: number;
  readonly max: number;
  readonly after: number;
}

/** Everything about states before it is cut into arrays. */
export interface Parts {
  readonly states: number;
  /** from, first byte, last byte, to */
  readonly arrows: readonly number[];
  /** from, to */
  readonly hops: readonly number[];
  readonly calls: readonly Call[];
  readonly flags: Uint8Array;
}

export interface RuleSet {
  readonly rules: readonly Expression[];
  /** The rule that is the whole text. */
  readonly start: number;
  /** Of a rule, for messages. */
  readonly nameOf: (rule: number) => string;
}

/**
 * Rules as a grammar. @throws GrammarError for left recursion, and where there is
 * no text at all
 */
export function assemble({ rules, start, nameOf }: RuleSet, budget: Budget): Grammar {
  const assembler = new Assembler(rules, budget);
  const { parts, entries } = assembler.finish();
  refuseLeftRecursion(parts, entries, { nameOf, op: budget.op }, budget);
  const need = needOf(parts, budget);
  const entry = entries[start]!;
  if (need[entry] === Infinity)
    fail(budget.op, 'no text at all fits the grammar.', 'something in it contradicts itself');
  return toArrays(parts, need, entry);
}

class Assembler implements CallMaker {
  #rules: Expression[];
  #nullable: boolean[];
  #nonEmpty: NonEmpty;
  #nfa: NfaBuilder;
  #entries: number[] = [];
  #exits: number[] = [];
  #heads: number[] = [];
  #steps: number[] = [];
  #calls: Call[] = [];

  constructor(rules: readonly Expression[], budget: Budget) {
    this.#rules = [...rules];
    this.#nullable = nullableRules(this.#rules, budget);
    this.#nonEmpty = new NonEmpty(this.#rules, this.#nullable, budget);
    this.#nfa = new NfaBuilder(budget, 'utf8', this);
  }

  /** The entry of a rule, which may not be built yet. */
  #entry(rule: number): number {
    return (this.#entries[rule] ??= this.#nfa.state());
  }

  callRule(from: number, rule: number, to: number): void {
    this.#calls.push({ from, to: this.#entry(rule), min: 0, max: 0, after: to });
  }

  callCounter(from: number, part: Expression, min: number, max: number, to: number): void {
    const nullable = isNullable(part, this.#nullable);
    const head = this.#nfa.state();
    const step = this.#nfa.state();
    this.#heads.push(head);
    this.#steps.push(step);
    this.#nfa.hops.push(step, head);
    this.#nfa.build(nullable ? this.#nonEmpty.of(part) : part, head, step);
    const most = max >= ENDLESS ? ENDLESS : max;
    this.#calls.push({
      from,
      to: head,
      min: nullable ? 0 : Math.min(min, ENDLESS - 1),
      max: most,
      after: to,
    });
  }

  finish(): { parts: Parts; entries: readonly number[] } {
    for (let i = 0; i < this.#rules.length; i++) {
      const exit = this.#nfa.state();
      this.#exits.push(exit);
      this.#nfa.build(this.#rules[i]!, this.#entry(i), exit);
    }
    const { states, arrows, hops } = this.#nfa;
    const marks = new Uint8Array(states);
    for (const exit of this.#exits) marks[exit]! |= flags.final;
    for (const head of this.#heads) marks[head]! |= flags.head;
    for (const step of this.#steps) marks[step]! |= flags.step;
    markTails(marks, { arrows, hops, calls: this.#calls });
    return { parts: { states, arrows, hops, calls: this.#calls, flags: marks }, entries: this.#entries };
  }
}

/** Offsets of lists that are grouped by a state, and the order that groups them. */
function group(from: readonly number[], states: number): { at: Int32Array; order: number[] } {
  const at = new Int32Array(states + 1);
  for (const state of from) at[state + 1]!++;
  for (let s = 0; s < states; s++) at[s + 1]! += at[s]!;
  const order = from.map((_, i) => i).sort((a, b) => from[a]! - from[b]! || a - b);
  return { at, order };
}

/** What leads to no text is left out. */
function toArrays(
  { states, arrows, hops, calls, flags: marks }: Parts,
  need: Float64Array,
  start: number,
): Grammar {
  const lives = (state: number) => need[state]! < Infinity;
  const indices = Array.from({ length: arrows.length / 4 }, (_, i) => 4 * i).filter((i) =>
    lives(arrows[i + 3]!),
  );
  const bounds = new Set([0]);
  for (const i of indices) {
    bounds.add(arrows[i + 1]!);
    if (arrows[i + 2]! < 255) bounds.add(arrows[i + 2]! + 1);
  }
  const starts = Uint8Array.from(bounds).sort();
  const classOf = classesOf(starts);
  const byState = group(
    indices.map((i) => arrows[i]!),
    states,
  );
  const ordered = byState.order.map((k) => indices[k]!);
  const hopIndices = Array.from({ length: hops.length / 2 }, (_, i) => 2 * i).filter((i) =>
    lives(hops[i + 1]!),
  );
  const hopsBy = group(
    hopIndices.map((i) => hops[i]!),
    states,
  );
  const live = calls.filter(
    ({ to, min, after, max }) => lives(after) && (lives(to) || (max > 0 && min === 0)),
  );
  const callsBy = group(
    live.map(({ from }) => from),
    states,
  );
  const called = callsBy.order.map((k) => live[k]!);
  return {
    kind: 'cria-grammar',
    version: 1,
    start,
    starts,
    flags: marks,
    arrowAt: byState.at,
    arrowLow: Uint8Array.from(ordered, (i) => classOf[arrows[i + 1]!]!),
    arrowHigh: Uint8Array.from(ordered, (i) => classOf[arrows[i + 2]!]!),
    arrowTo: Int32Array.from(ordered, (i) => arrows[i + 3]!),
    hopAt: hopsBy.at,
    hopTo: Int32Array.from(hopsBy.order, (k) => hops[hopIndices[k]! + 1]!),
    callAt: callsBy.at,
    callTo: Int32Array.from(called, ({ to }) => to),
    callMin: Int32Array.from(called, ({ min }) => min),
    callMax: Int32Array.from(called, ({ max }) => max),
    callReturn: Int32Array.from(called, ({ after }) => after),
    need: Int32Array.from(need, (frames) => Math.min(frames, ENDLESS)),
  };
}

/** Marks final states without a way on, and those that only hop to such states. */
function markTails(marks: Uint8Array, { arrows, hops, calls }: Omit<Parts, 'flags' | 'states'>): void {
  const goesOn = new Uint8Array(marks.length);
  for (let i = 0; i < arrows.length; i += 4) goesOn[arrows[i]!] = 1;
  for (const { from } of calls) goesOn[from] = 1;
  const before: number[][] = Array.from(marks, () => []);
  const left = new Int32Array(marks.length);
  for (let i = 0; i < hops.length; i += 2) {
    before[hops[i + 1]!]!.push(hops[i]!);
    left[hops[i]!]!++;
  }
  const isPlain = (s: number) => goesOn[s] === 0 && (marks[s]! & (flags.head | flags.step)) === 0;
  const waiting = Array.from(marks.keys()).filter(
    (s) => isPlain(s) && left[s] === 0 && (marks[s]! & flags.final) !== 0,
  );
  for (let s = waiting.pop(); s !== undefined; s = waiting.pop()) {
    marks[s]! |= flags.tail;
    for (const from of before[s]!) if (--left[from]! === 0 && isPlain(from)) waiting.push(from);
  }
}
