import { assemble } from './automata/assemble.ts';
import { anyCharacter } from './automata/code-set.ts';
import { combine, type Dfa } from './automata/dfa.ts';
import {
  automaton,
  choice,
  empty,
  type Expression,
  repeat,
  rule,
  sequence,
  set,
  text,
} from './automata/expression.ts';
import { determinise } from './automata/nfa.ts';
import { Budget } from './budget.ts';
import { checkOptions, fail } from './errors.ts';
import type { Grammar } from './grammar.ts';
import { schemaRules, type SchemaOptions } from './schema/compile.ts';

/** A text after which a value must follow: how models call tools. */
export interface Trigger {
  /** Begins it, such as `<tool_call>`. Free text never has it but there. */
  readonly begin: string;
  /** What follows: JSON of this schema. */
  readonly schema: unknown;
  /** Ends it, such as `</tool_call>`. Default nothing. */
  readonly end?: string;
}

export interface TriggeredOptions extends SchemaOptions {
  /** Values that must, and may, be there. Default 0 and any number. */
  readonly least?: number;
  readonly most?: number;
  /** Whether text may stand before, between and after them. Default true. */
  readonly freeText?: boolean;
}

/**
 * Free text in which values of a schema follow certain texts. @throws GrammarError
 */
export function compileTriggered(triggers: readonly Trigger[], options: TriggeredOptions = {}): Grammar {
  const op = 'compileTriggered';
  checkOptions(op, options, ['limits', 'whitespace', 'least', 'most', 'freeText']);
  const { least = 0, most = Infinity, freeText = true, limits, whitespace } = options;
  if (!Array.isArray(triggers) || triggers.length === 0) fail(op, 'there is no trigger.', 'give one or more');
  if (!Number.isSafeInteger(least) || least < 0 || !(most >= least) || most < 1) {
    fail(op, `${least} to ${most} values are asked for.`, 'give whole numbers, the least first');
  }
  const budget = new Budget(op, limits);
  const begins = triggers.map(({ begin }) => begin);
  for (const [i, begin] of begins.entries()) checkBegin(op, begin, begins.slice(i + 1));
  const rules: Expression[] = [];
  const free = freeText ? withoutAny(begins, budget) : undefined;
  const calls = triggers.map((trigger) => {
    const before = free === undefined ? text(trigger.begin) : automaton(upTo(trigger.begin, begins, budget));
    const value = added(rules, trigger.schema, whitespace === undefined ? {} : { whitespace }, budget);
    return sequence(before, value, text(trigger.end ?? ''));
  });
  const call = rules.push(choice(...calls)) - 1;
  const whole = sequence(repeat(rule(call), least, most), free === undefined ? empty : automaton(free));
  const start = rules.push(whole) - 1;
  return assemble({ rules, start, nameOf: () => 'of a trigger' }, budget);
}

function checkBegin(op: string, begin: unknown, others: readonly string[]): void {
  if (typeof begin !== 'string' || begin === '' || /\p{Surrogate}/u.test(begin)) {
    fail(op, `a trigger begins with ${JSON.stringify(begin)}.`, 'give a text, without half characters');
  }
  const other = others.find((each) => each.includes(begin) || begin.includes(each));
  if (other !== undefined)
    fail(op, `${JSON.stringify(begin)} and ${JSON.stringify(other)} hold each other.`, 'make them differ');
}

const any = repeat(set(anyCharacter), 0, Infinity);

/** Texts in which none of these is found. */
function withoutAny(strings: readonly string[], budget: Budget): Dfa {
  const found = determinise(sequence(any, choice(...strings.map(text)), any), 'utf8', budget);
  return combine(determinise(any, 'utf8', budget), found, 'minus', budget);
}

/** Free text up to the end of a string, the first of all that is found. */
function upTo(string: string, strings: readonly string[], budget: Budget): Dfa {
  const ends = determinise(sequence(any, text(string)), 'utf8', budget);
  const early = sequence(any, choice(...strings.map(text)), set(anyCharacter), any);
  return combine(ends, determinise(early, 'utf8', budget), 'minus', budget);
}

/** Puts the rules of a schema among others. */
function added(rules: Expression[], schema: unknown, options: SchemaOptions, budget: Budget): Expression {
  const made = schemaRules(schema, options, budget);
  const base = rules.length;
  rules.push(...made.rules.map((body) => moved(body, base)));
  return rule(base + made.start);
}

function moved(x: Expression, by: number): Expression {
  if (x.kind === 'rule') return rule(x.rule + by);
  if (x.kind === 'repeat') return { ...x, part: moved(x.part, by) };
  if (x.kind !== 'sequence' && x.kind !== 'choice') return x;
  return { kind: x.kind, parts: x.parts.map((part) => moved(part, by)) };
}
