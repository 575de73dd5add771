import { assemble } from '../automata/assemble.ts';
import { automaton, type Expression } from '../automata/expression.ts';
import { determinise } from '../automata/nfa.ts';
import { Budget, type Limits } from '../budget.ts';
import { checkOptions, fail, GrammarError } from '../errors.ts';
import type { Grammar } from '../grammar.ts';
import { parseRegex } from './parse.ts';

export interface CompileOptions {
  /** What compiling may cost. */
  readonly limits?: Limits;
}

/**
 * States of the automaton up to which a regular expression is made deterministic
 * beforehand.
 */
const EAGER_STATES = 20_000;

/**
 * Texts that a regular expression matches from their beginning to their end.
 * @throws GrammarError for what is no regular expression, not regular, or too large
 */
export function compileRegex(source: string, options: CompileOptions = {}): Grammar {
  checkOptions('compileRegex', options, ['limits']);
  if (typeof source !== 'string') fail('compileRegex', `the pattern is ${typeof source}.`, 'give a string');
  const budget = new Budget('compileRegex', options.limits);
  const whole = withoutOuterAnchors(parseRegex(source, budget));
  return assemble({ rules: [small(whole, budget)], start: 0, nameOf: () => 'the pattern' }, budget);
}

/**
 * Deterministic where that is small; else as it is, to be made so as far as texts
 * need it.
 */
function small(whole: Expression, budget: Budget): Expression {
  if (hasAnchor(whole)) return automaton(determinise(whole, 'utf8', budget));
  const trial = new Budget(budget.op, { states: EAGER_STATES, work: 4_000_000 });
  try {
    return automaton(determinise(whole, 'utf8', trial));
  } catch (error) {
    if (!(error instanceof GrammarError)) throw error;
    budget.work(4_000_000);
    return whole;
  }
}

/** `^…$` says what holds anyway. */
function withoutOuterAnchors(x: Expression): Expression {
  if (x.kind !== 'sequence') return x;
  const parts = [...x.parts];
  while (parts[0]?.kind === 'start') parts.shift();
  while (parts.at(-1)?.kind === 'end') parts.pop();
  return { kind: 'sequence', parts };
}

function hasAnchor(x: Expression): boolean {
  if (x.kind === 'start' || x.kind === 'end') return true;
  if (x.kind === 'sequence' || x.kind === 'choice') return x.parts.some(hasAnchor);
  return x.kind === 'repeat' && hasAnchor(x.part);
}
