import type { Dfa } from '../automata/dfa.ts';
import type { Expression } from '../automata/expression.ts';
import type { Budget } from '../budget.ts';
import type { Conjunction } from './conjunction.ts';
import type { SchemaNode } from './document.ts';
import type { Rules } from './rules.ts';
import type { Strings } from './strings.ts';

/** What containers need to make the values inside them. */
export interface ValueMaker {
  readonly rules: Rules;
  readonly strings: Strings;
  readonly budget: Budget;
  /** Any value that fits all of them. */
  value(nodes: Conjunction): Expression;
  /** A schema inside a node. */
  part(node: SchemaNode, schema: unknown, ...steps: readonly (string | number)[]): SchemaNode;
  /** The same by its whole path. */
  at(node: SchemaNode, schema: unknown, path: string): SchemaNode;
  /** The schema that nothing fits. */
  readonly never: SchemaNode;
  not(node: SchemaNode): SchemaNode;
  /** The strings that fit all of them, as what is inside their quotes. */
  names(nodes: Conjunction): Dfa;
}
