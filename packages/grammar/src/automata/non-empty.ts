import { combine, type Dfa } from './dfa.ts';
import type { Budget } from '../budget.ts';
import {
  automaton,
  choice,
  type Expression,
  isNullable,
  never,
  repeat,
  rule,
  sequence,
} from './expression.ts';

const emptyText: Dfa = { starts: Uint8Array.of(0), next: Int32Array.of(-1), accept: Uint8Array.of(1) };

/**
 * Takes the empty text out of expressions, so that every turn of a counted
 * repetition is at least a byte. Rules get a twin without it.
 */
export class NonEmpty {
  #rules: Expression[];
  #nullable: boolean[];
  #twins = new Map<number, number>();
  #budget: Budget;

  /** Twins are appended to `rules`, and to `nullable`. */
  constructor(rules: Expression[], nullable: boolean[], budget: Budget) {
    this.#rules = rules;
    this.#nullable = nullable;
    this.#budget = budget;
  }

  of(x: Expression): Expression {
    this.#budget.work(4);
    if (!isNullable(x, this.#nullable)) return x;
    switch (x.kind) {
      case 'choice':
        return choice(...x.parts.map((part) => this.of(part)));
      case 'sequence':
        return this.#sequence(x.parts);
      case 'repeat': {
        const part = this.of(x.part);
        return x.max === 0 ? never : repeat(part, 1, x.max);
      }
      case 'rule':
        return rule(this.#twin(x.rule));
      case 'automaton':
        return automaton(combine(x.dfa, emptyText, 'minus', this.#budget));
      default:
        return never; // no bytes, or an anchor
    }
  }

  /**
   * The first part that is not empty, and what follows: ab = a'b | b' where a may
   * be empty.
   */
  #sequence([first, ...rest]: readonly Expression[]): Expression {
    if (first === undefined) return never;
    const tail: Expression = { kind: 'sequence', parts: rest };
    return choice(sequence(this.of(first), tail), this.#sequence(rest));
  }

  #twin(index: number): number {
    let twin = this.#twins.get(index);
    if (twin === undefined) {
      this.#budget.states(1);
      twin = this.#rules.push(never) - 1;
      this.#nullable.push(false);
      this.#twins.set(index, twin);
      this.#rules[twin] = this.of(this.#rules[index]!);
    }
    return twin;
  }
}
