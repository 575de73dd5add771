import { set, type Expression, never, repeat, rule, sequence, text } from '../automata/expression.ts';
import { codeSet } from '../automata/code-set.ts';
import type { Budget } from '../budget.ts';

/** White space between the parts of a JSON text. */
export type Whitespace = 'compact' | 'flexible';

/**
 * Blanks and line ends in a row, where they may be: enough for a line end and
 * indents of 30 levels.
 */
const MOST_BLANKS = 62;

const blank = set(
  codeSet([
    [0x09, 0x0a],
    [0x0d, 0x0d],
    [0x20, 0x20],
  ]),
);

/** The rules of a grammar while it is made; and its punctuation. */
export class Rules {
  readonly bodies: Expression[] = [];
  #budget: Budget;
  #blanks: Expression;

  constructor(whitespace: Whitespace, budget: Budget) {
    this.#budget = budget;
    this.#blanks = whitespace === 'compact' ? sequence() : this.add(repeat(blank, 0, MOST_BLANKS));
  }

  /** A rule with this body. */
  add(body: Expression): Expression {
    this.#budget.states(1);
    return rule(this.bodies.push(body) - 1);
  }

  /** A rule whose body is given later. */
  promise(): { readonly expression: Expression; readonly define: (body: Expression) => void } {
    const index = this.bodies.push(never) - 1;
    this.#budget.states(1);
    return { expression: rule(index), define: (body) => (this.bodies[index] = body) };
  }

  opening(mark: '{' | '['): Expression {
    return sequence(text(mark), this.#blanks);
  }
  closing(mark: '}' | ']'): Expression {
    return sequence(this.#blanks, text(mark));
  }
  after(mark: ',' | ':'): Expression {
    return sequence(text(mark), this.#blanks);
  }
}
