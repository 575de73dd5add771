import { accepts, combine, type Dfa, isEmpty } from '../automata/dfa.ts';
import { choice, empty, type Expression, never, repeat, sequence, text } from '../automata/expression.ts';
import { refuse } from '../errors.ts';
import { type Conjunction, conjunction, isNever } from './conjunction.ts';
import { isObject, own, type SchemaNode, type SchemaObject } from './document.ts';
import { allOf, atLeast, atMost, made } from './keywords.ts';
import { propertySchemas, refuseHalves } from './validate.ts';
import type { ValueMaker } from './value-maker.ts';

/**
 * Patterns of property names on one object: each combination of them is a kind of
 * property.
 */
const MOST_PATTERNS = 6;

const encoder = new TextEncoder();

/** A property that the schema names. */
interface Named {
  readonly name: string;
  readonly isRequired: boolean;
  readonly nodes: Conjunction;
}

/** Properties that it does not name, by what their names are. */
interface Others {
  readonly names: Dfa;
  readonly nodes: Conjunction;
}

/**
 * Objects of a conjunction that was taken apart: named properties in the schema's
 * order, then others.
 */
export function objectExpression(nodes: Conjunction, maker: ValueMaker): Expression {
  const names = nameRule(nodes, maker);
  const named = namedProperties(nodes, names, maker);
  const others = otherProperties(nodes, names, named, maker);
  const min = leastProperties(nodes);
  const max = atMost(nodes, 'maxProperties');
  const due = min - named.filter(({ isRequired }) => isRequired).length;
  if (others.length > 0 && due > 1) {
    const place = allOf(nodes, 'minProperties')[0]?.place ?? { path: nodes[0]!.path };
    refuse(
      place,
      `${due} properties beside the required ones could have one name.`,
      'name them under properties',
    );
  }
  const pair = pairOf(others, maker);
  const inside = new Properties(named, { pair, min, max }, maker).expression();
  return sequence(maker.rules.opening('{'), inside, maker.rules.closing('}'));
}

/** Names that `propertyNames` allows; undefined where all are. */
function nameRule(nodes: Conjunction, maker: ValueMaker): Dfa | undefined {
  const parts = nodes.flatMap((node) => {
    const rule = own(node.schema as SchemaObject, 'propertyNames');
    return rule === undefined ? [] : [maker.part(node, rule, 'propertyNames')];
  });
  const rules = conjunction(parts);
  return rules.length === 0 ? undefined : maker.names(rules);
}

function isAllowed(name: string, names: Dfa | undefined): boolean {
  return names === undefined || accepts(names, encoder.encode(JSON.stringify(name).slice(1, -1)));
}

function namedProperties(nodes: Conjunction, names: Dfa | undefined, maker: ValueMaker): Named[] {
  const required = new Set(allOf<readonly string[]>(nodes, 'required').flatMap(({ value }) => value));
  const declared = nodes.flatMap(({ schema, path }) => {
    const properties = own(schema as SchemaObject, 'properties');
    const keys = isObject(properties) ? Object.keys(properties) : [];
    for (const key of keys) refuseHalves(key, { path, keyword: 'properties' });
    return keys;
  });
  for (const { value, place } of allOf<readonly string[]>(nodes, 'required')) {
    for (const name of value) refuseHalves(name, place);
  }
  return [...new Set([...declared, ...required])].map((name) => {
    const parts = nodes.flatMap((node) =>
      propertySchemas(node, name, maker.strings).map(({ schema, path }) => maker.at(node, schema, path)),
    );
    maker.budget.work(20 + 10 * parts.length);
    const no = isAllowed(name, names) ? [] : [maker.never];
    return { name, isRequired: required.has(name), nodes: conjunction([...parts, ...no]) };
  });
}

/**
 * Each combination of patterns that a name may match, with what follows for its
 * value.
 */
function otherProperties(
  nodes: Conjunction,
  names: Dfa | undefined,
  named: readonly Named[],
  maker: ValueMaker,
): Others[] {
  const { strings, budget } = maker;
  const known = strings.oneOf(named.map(({ name }) => name));
  const free = combine(names ?? strings.every(), known, 'minus', budget);
  const patterns = allOf<SchemaObject>(nodes, 'patternProperties').flatMap(({ value, place }) =>
    Object.keys(value).map((source) => ({ source, place })),
  );
  const sources = [...new Set(patterns.map(({ source }) => source))];
  if (sources.length > MOST_PATTERNS) {
    refuse(
      patterns[0]!.place,
      `${sources.length} patterns of names on one object are too many.`,
      `${MOST_PATTERNS} fit`,
    );
  }
  const found: Others[] = [];
  for (let subset = 0; subset < 1 << sources.length; subset++) {
    const chosen = sources.filter((_, i) => (subset >> i) & 1);
    const values = conjunction(nodes.flatMap((node) => schemasOf(node, chosen, maker)));
    if (isNever(values)) continue;
    let dfa = free;
    for (const { source, place } of patterns) {
      dfa = combine(dfa, strings.pattern(source, place), chosen.includes(source) ? 'and' : 'minus', budget);
    }
    if (!isEmpty(dfa)) found.push({ names: dfa, nodes: values });
  }
  return found;
}

/**
 * What one node asks of properties whose names match these patterns and are not
 * among its own.
 */
function schemasOf(node: SchemaNode, chosen: readonly string[], maker: ValueMaker): SchemaNode[] {
  const schema = node.schema as SchemaObject;
  const patterns = (own(schema, 'patternProperties') ?? {}) as SchemaObject;
  const matched = Object.keys(patterns).filter((source) => chosen.includes(source));
  if (matched.length > 0)
    return matched.map((source) => maker.part(node, patterns[source], 'patternProperties', source));
  const others = own(schema, 'additionalProperties');
  return others === undefined ? [] : [maker.part(node, others, 'additionalProperties')];
}

function pairOf(others: readonly Others[], maker: ValueMaker): Expression {
  const { rules, strings } = maker;
  const pairs = others.map(({ names, nodes }) =>
    sequence(strings.quoted(names), rules.after(':'), maker.value(nodes)),
  );
  return pairs.length === 0 ? never : rules.add(choice(...pairs));
}

/**
 * A rule for each named property and number of properties before it, as far as the
 * number matters.
 */
class Properties {
  #named: readonly Named[];
  #pair: Expression;
  #min: number;
  #max: number;
  /** Numbers of properties from here on are alike. */
  #cap: number;
  #maker: ValueMaker;

  constructor(
    named: readonly Named[],
    { pair, min, max }: { pair: Expression; min: number; max: number },
    maker: ValueMaker,
  ) {
    this.#named = named;
    this.#pair = pair;
    this.#min = min;
    this.#max = max;
    this.#cap = Math.min(named.length, Math.max(1, min, max === Infinity ? 0 : max));
    this.#maker = maker;
  }

  expression(): Expression {
    const { rules } = this.#maker;
    let after = this.#counts().map((count) => rules.add(this.#others(count)));
    for (const property of [...this.#named].reverse()) {
      const value = isNever(property.nodes) ? never : this.#maker.value(property.nodes);
      const key = text(JSON.stringify(property.name));
      const pair = sequence(key, rules.after(':'), value);
      const rest = after;
      after = this.#counts().map((count) => {
        const then = rest[Math.min(count + 1, this.#cap)]!;
        const on = count < this.#max ? sequence(count > 0 ? rules.after(',') : empty, pair, then) : never;
        return rules.add(property.isRequired ? on : choice(rest[count]!, on));
      });
    }
    return after[0]!;
  }

  #counts(): number[] {
    return Array.from({ length: this.#cap + 1 }, (_, count) => count);
  }

  /** What follows the named properties. */
  #others(count: number): Expression {
    const [due, left] = [Math.max(0, this.#min - count), this.#max - count];
    if (left < due) return never;
    const more = sequence(this.#maker.rules.after(','), this.#pair);
    if (count > 0) return left === 0 ? empty : repeat(more, due, left);
    const none = due === 0 ? empty : never;
    if (left === 0) return none;
    return choice(
      none,
      sequence(this.#pair, left === 1 ? empty : repeat(more, Math.max(0, due - 1), left - 1)),
    );
  }
}

function leastProperties(nodes: Conjunction): number {
  let least = atLeast(nodes, 'minProperties');
  for (const { value, place } of allOf<readonly unknown[]>(nodes, made.notValues)) {
    for (const each of value.filter(isObject)) {
      if (Object.keys(each).length > 0)
        refuse({ path: place.path }, 'that objects are not a certain one cannot be honoured.');
      least = Math.max(least, 1);
    }
  }
  return least;
}
