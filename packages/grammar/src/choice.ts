import { assemble } from './automata/assemble.ts';
import { choice, text } from './automata/expression.ts';
import { automaton } from './automata/expression.ts';
import { determinise } from './automata/nfa.ts';
import { Budget } from './budget.ts';
import { checkOptions, fail } from './errors.ts';
import type { Grammar } from './grammar.ts';
import type { CompileOptions } from './regex/compile.ts';

/**
 * One of these texts. @throws GrammarError where there is none, or one is no text
 */
export function compileChoice(texts: readonly string[], options: CompileOptions = {}): Grammar {
  checkOptions('compileChoice', options, ['limits']);
  const budget = new Budget('compileChoice', options.limits);
  if (!Array.isArray(texts) || texts.length === 0)
    fail('compileChoice', 'there is no choice.', 'give one text or more');
  for (const each of texts as readonly unknown[]) {
    if (typeof each === 'string' && !/\p{Surrogate}/u.test(each)) continue;
    fail('compileChoice', `${JSON.stringify(each)} is no text.`, 'give strings, without half characters');
  }
  budget.work(texts.reduce((sum, each) => sum + each.length, 0));
  const whole = automaton(determinise(choice(...texts.map(text)), 'utf8', budget));
  return assemble({ rules: [whole], start: 0, nameOf: () => 'the choice' }, budget);
}
