import type { Budget } from '../budget.ts';
import type { CodeSet } from './code-set.ts';
import type { Dfa } from './dfa.ts';

/**
 * What every front end compiles to: a set of texts. Without `rule` it is regular.
 * Anchors occur in regular expressions only, which become an automaton before they
 * meet anything else.
 */
export type Expression =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  /** One character. */
  | { readonly kind: 'set'; readonly set: CodeSet }
  | { readonly kind: 'sequence'; readonly parts: readonly Expression[] }
  /** One of them; of none, no text at all. */
  | { readonly kind: 'choice'; readonly parts: readonly Expression[] }
  /** `max` may be Infinity. */
  | { readonly kind: 'repeat'; readonly part: Expression; readonly min: number; readonly max: number }
  | { readonly kind: 'rule'; readonly rule: number }
  | { readonly kind: 'automaton'; readonly dfa: Dfa }
  | { readonly kind: 'start' }
  | { readonly kind: 'end' };

const encoder = new TextEncoder();

export const empty: Expression = { kind: 'sequence', parts: [] };
export const never: Expression = { kind: 'choice', parts: [] };

export function text(string: string): Expression {
  return { kind: 'bytes', bytes: encoder.encode(string) };
}
export function set(codes: CodeSet): Expression {
  return { kind: 'set', set: codes };
}
export function sequence(...parts: readonly Expression[]): Expression {
  return parts.length === 1 ? parts[0]! : { kind: 'sequence', parts };
}
export function choice(...parts: readonly Expression[]): Expression {
  return parts.length === 1 ? parts[0]! : { kind: 'choice', parts };
}
export function repeat(part: Expression, min: number, max: number): Expression {
  return { kind: 'repeat', part, min, max };
}
export function optional(part: Expression): Expression {
  return choice(empty, part);
}
export function rule(index: number): Expression {
  return { kind: 'rule', rule: index };
}
export function automaton(dfa: Dfa): Expression {
  return { kind: 'automaton', dfa };
}

/** Whether the empty text is one of its texts. `rules`: which of them have it. */
export function isNullable(expression: Expression, rules: ArrayLike<boolean | number>): boolean {
  switch (expression.kind) {
    case 'bytes':
      return expression.bytes.length === 0;
    case 'set':
      return false;
    case 'sequence':
      return expression.parts.every((part) => isNullable(part, rules));
    case 'choice':
      return expression.parts.some((part) => isNullable(part, rules));
    case 'repeat':
      return expression.min === 0 || isNullable(expression.part, rules);
    case 'rule':
      return Boolean(rules[expression.rule]);
    case 'automaton':
      return expression.dfa.accept[0] === 1;
    case 'start':
    case 'end':
      return true;
  }
}

/** Which rules have the empty text among theirs: the least solution. */
export function nullableRules(rules: readonly Expression[], budget: Budget): boolean[] {
  const nullable = rules.map(() => false);
  for (let changed = true; changed;) {
    changed = false;
    budget.work(rules.length);
    for (const [i, body] of rules.entries()) {
      if (nullable[i] || !isNullable(body, nullable)) continue;
      nullable[i] = true;
      changed = true;
    }
  }
  return nullable;
}
