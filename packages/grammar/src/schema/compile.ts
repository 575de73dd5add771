import { assemble } from '../automata/assemble.ts';
import { combine, type Dfa } from '../automata/dfa.ts';
import { automaton, choice, type Expression, sequence, text } from '../automata/expression.ts';
import { Budget } from '../budget.ts';
import { checkOptions, fail } from '../errors.ts';
import type { Grammar } from '../grammar.ts';
import type { CompileOptions } from '../regex/compile.ts';
import { arrayExpression } from './arrays.ts';
import { type Conjunction, conjunction, Conjunctions, keyOf } from './conjunction.ts';
import { below, isObject, SchemaDocument, type SchemaNode } from './document.ts';
import { allOf, made, typesOf } from './keywords.ts';
import { numberDfa } from './numbers.ts';
import { objectExpression } from './objects.ts';
import { Rules, type Whitespace } from './rules.ts';
import { Strings } from './strings.ts';
import { refuseHalves, Validator } from './validate.ts';
import type { ValueMaker } from './value-maker.ts';

export interface SchemaOptions extends CompileOptions {
  /**
   * `compact`: none, the least tokens. `flexible`: up to 62 blanks and line ends
   * after `{ [ , :` and before `} ]`. Default compact.
   */
  readonly whitespace?: Whitespace;
}

/**
 * JSON texts whose values fit a schema (draft 2020-12). Named properties come in
 * the schema's order, others after them.
 * @throws GrammarError with the place of what cannot be honoured: nothing is passed
 * over
 */
export function compileSchema(schema: unknown, options: SchemaOptions = {}): Grammar {
  const { rules, start, budget } = schemaRules(schema, options);
  return assemble({ rules, start, nameOf: () => 'of the schema' }, budget);
}

/** The same as rules, for grammars that have more around them. */
export function schemaRules(
  schema: unknown,
  options: SchemaOptions,
  budget: Budget = new Budget('compileSchema', options.limits),
): { rules: Expression[]; start: number; budget: Budget } {
  checkOptions('compileSchema', options, ['limits', 'whitespace']);
  const whitespace = options.whitespace ?? 'compact';
  if (whitespace !== 'compact' && whitespace !== 'flexible') {
    fail('compileSchema', `whitespace is ${JSON.stringify(whitespace)}.`, 'give "compact" or "flexible"');
  }
  const compiler = new SchemaCompiler(schema, whitespace, budget);
  return { ...compiler.finish(), budget };
}

class SchemaCompiler implements ValueMaker {
  readonly budget: Budget;
  readonly rules: Rules;
  readonly strings: Strings;
  readonly never: SchemaNode;
  #document: SchemaDocument;
  #conjunctions: Conjunctions;
  #validator: Validator;
  #values = new Map<string, Expression>();
  #waiting: (() => void)[] = [];

  constructor(schema: unknown, whitespace: Whitespace, budget: Budget) {
    this.budget = budget;
    this.rules = new Rules(whitespace, budget);
    this.strings = new Strings(budget);
    this.#document = new SchemaDocument(schema, budget);
    this.#conjunctions = new Conjunctions(this.#document, budget);
    this.#validator = new Validator(this.#document, this.#conjunctions, this.strings, budget);
    this.never = this.#document.node(false, '#');
  }

  finish(): { rules: Expression[]; start: number } {
    const root = this.value(conjunction([this.#document.root]));
    for (let job = this.#waiting.pop(); job !== undefined; job = this.#waiting.pop()) job();
    const bodies = [...this.rules.bodies];
    return { rules: bodies, start: bodies.push(root) - 1 };
  }

  part(node: SchemaNode, schema: unknown, ...steps: readonly (string | number)[]): SchemaNode {
    return this.#document.node(schema, below(node.path, ...steps), node.isMade);
  }

  at(node: SchemaNode, schema: unknown, path: string): SchemaNode {
    return this.#document.node(schema, path, node.isMade);
  }

  not(node: SchemaNode): SchemaNode {
    return this.#conjunctions.not(node);
  }

  /**
   * A rule a conjunction; its body is made later, so that schemas may refer to
   * themselves.
   */
  value(nodes: Conjunction): Expression {
    const key = keyOf(nodes);
    let known = this.#values.get(key);
    if (known === undefined) {
      const { expression, define } = this.rules.promise();
      known = expression;
      this.#values.set(key, known);
      this.#waiting.push(() => define(this.#alternatives(nodes)));
    }
    return known;
  }

  names(nodes: Conjunction): Dfa {
    const flats = this.#conjunctions.alternatives(nodes).filter((flat) => typesOf(flat).types.has('string'));
    const sets = flats.map((flat) => {
      const listed = this.#listed(flat);
      if (listed === undefined) return this.strings.contents(flat);
      return this.strings.oneOf(listed.filter((value) => typeof value === 'string'));
    });
    return sets.reduce((all, one) => combine(all, one, 'or', this.budget), this.strings.oneOf([]));
  }

  #alternatives(nodes: Conjunction): Expression {
    const flats = this.#conjunctions.alternatives(nodes);
    if (flats.length === 1) return this.#flat(flats[0]!);
    return choice(...flats.map((flat) => this.#flatRule(flat)));
  }

  #flatRule(flat: Conjunction): Expression {
    const key = `flat ${keyOf(flat)}`;
    let known = this.#values.get(key);
    if (known === undefined) {
      known = this.rules.add(this.#flat(flat));
      this.#values.set(key, known);
    }
    return known;
  }

  /**
   * Values of a conjunction of which nothing is left to take apart, type by type.
   */
  #flat(flat: Conjunction): Expression {
    const listed = this.#listed(flat);
    if (listed) return choice(...listed.map((value) => this.#literal(value)));
    const { types } = typesOf(flat);
    const not = new Set(allOf<readonly unknown[]>(flat, made.notValues).flatMap(({ value }) => value));
    const words = [null, true, false].filter(
      (value) => types.has(value === null ? 'null' : 'boolean') && !not.has(value),
    );
    const parts: Expression[] = words.map((word) => text(String(word)));
    if (types.has('number')) parts.push(this.#numbers(flat));
    if (types.has('string')) parts.push(this.strings.expression(flat));
    if (types.has('array')) parts.push(arrayExpression(flat, this));
    if (types.has('object')) parts.push(objectExpression(flat, this));
    return choice(...parts);
  }

  /**
   * Values that `const` or `enum` list and that fit the rest; undefined where
   * nothing is listed.
   */
  #listed(flat: Conjunction): readonly unknown[] | undefined {
    const [fixed] = allOf(flat, 'const');
    const [list] = allOf<readonly unknown[]>(flat, 'enum');
    const values = fixed ? [fixed.value] : list?.value;
    return values?.filter((value) => this.#validator.fitsFlat(value, flat));
  }

  #numbers(flat: Conjunction): Expression {
    const said = flat.filter(
      ({ schema }) => isObject(schema) && Object.keys(schema).some((key) => numeric.has(key)),
    );
    const key = `number ${typesOf(flat).isInteger} ${keyOf(said)}`;
    let known = this.#values.get(key);
    if (known === undefined) {
      known = this.rules.add(automaton(numberDfa(flat, this.budget)));
      this.#values.set(key, known);
    }
    return known;
  }

  #literal(value: unknown): Expression {
    this.budget.work(10);
    if (Array.isArray(value)) {
      const items = value.flatMap((item, i) => [
        ...(i > 0 ? [this.rules.after(',')] : []),
        this.#literal(item),
      ]);
      return sequence(this.rules.opening('['), ...items, this.rules.closing(']'));
    }
    if (isObject(value)) {
      const pairs = Object.keys(value).flatMap((key, i) => [
        ...(i > 0 ? [this.rules.after(',')] : []),
        this.#literal(key),
        this.rules.after(':'),
        this.#literal(value[key]),
      ]);
      return sequence(this.rules.opening('{'), ...pairs, this.rules.closing('}'));
    }
    if (typeof value === 'string') refuseHalves(value, { path: this.#document.root.path });
    return text(JSON.stringify(value));
  }
}

const numeric = new Set<string>([
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  made.fraction,
  made.notValues,
]);
