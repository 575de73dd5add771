import { assemble } from '../automata/assemble.ts';
import { automaton, type Expression } from '../automata/expression.ts';
import { determinise } from '../automata/nfa.ts';
import { Budget } from '../budget.ts';
import { checkOptions, fail, GrammarError } from '../errors.ts';
import type { Grammar } from '../grammar.ts';
import type { CompileOptions } from '../regex/compile.ts';
import { parseGbnf } from './parse.ts';

export interface GbnfOptions extends CompileOptions {
  /** The rule that is the whole text. Default `root`. */
  readonly root?: string;
}

/**
 * Texts of a grammar in llama.cpp's notation (GBNF).
 * @throws GrammarError for wrong notation, rules that are missing or begin with
 * themselves, and what is too large
 */
export function compileGrammar(source: string, options: GbnfOptions = {}): Grammar {
  checkOptions('compileGrammar', options, ['limits', 'root']);
  if (typeof source !== 'string') fail('compileGrammar', `the grammar is ${typeof source}.`, 'give a string');
  const budget = new Budget('compileGrammar', options.limits);
  const root = options.root ?? 'root';
  const { names, rules } = parseGbnf(source, budget);
  const start = names.indexOf(root);
  if (start < 0) fail('compileGrammar', `there is no rule "${root}".`, 'the whole text is the rule root');
  const flat = new Inliner(rules, budget).rules();
  return assemble({ rules: flat, start, nameOf: (index) => `"${names[index] ?? root}"` }, budget);
}

/**
 * States and work up to which a rule without recursion becomes one deterministic
 * automaton.
 */
const SMALL = { states: 2_000, work: 300_000 };

/**
 * Puts rules that are regular and small into those that use them. A character is
 * often a rule of its own; called for each one, no two places in a string would be
 * alike.
 */
class Inliner {
  #rules: readonly Expression[];
  #budget: Budget;
  /**
   * Undefined while a rule is looked at: those that come back to it are recursive.
   */
  #done = new Map<number, Expression | undefined>();

  constructor(rules: readonly Expression[], budget: Budget) {
    this.#rules = rules;
    this.#budget = budget;
  }

  rules(): Expression[] {
    return this.#rules.map((body, index) => {
      const inlined = this.#inlined(index, 0);
      return inlined ?? this.#substitute(body, 0);
    });
  }

  /**
   * The rule without rules in it, deterministic; undefined where it is not regular,
   * or large.
   */
  #inlined(index: number, depth: number): Expression | undefined {
    if (this.#done.has(index)) return this.#done.get(index);
    this.#done.set(index, undefined);
    if (depth > this.#budget.nesting) return undefined;
    const body = this.#substitute(this.#rules[index]!, depth);
    if (!isRegular(body)) return undefined;
    const trial = new Budget(this.#budget.op, SMALL);
    try {
      this.#done.set(index, automaton(determinise(body, 'utf8', trial)));
    } catch (error) {
      if (!(error instanceof GrammarError)) throw error;
    }
    this.#budget.work(SMALL.work / 10);
    return this.#done.get(index);
  }

  #substitute(x: Expression, depth: number): Expression {
    this.#budget.work(1);
    if (x.kind === 'rule') return this.#inlined(x.rule, depth + 1) ?? x;
    if (x.kind === 'repeat') return { ...x, part: this.#substitute(x.part, depth) };
    if (x.kind !== 'sequence' && x.kind !== 'choice') return x;
    return { kind: x.kind, parts: x.parts.map((part) => this.#substitute(part, depth)) };
  }
}

function isRegular(x: Expression): boolean {
  if (x.kind === 'rule') return false;
  if (x.kind === 'sequence' || x.kind === 'choice') return x.parts.every(isRegular);
  return x.kind !== 'repeat' || isRegular(x.part);
}
