import { accepts } from '../automata/dfa.ts';
import type { Budget } from '../budget.ts';
import { refuse } from '../errors.ts';
import type { Conjunction, Conjunctions } from './conjunction.ts';
import {
  below,
  isObject,
  own,
  type Schema,
  type SchemaDocument,
  type SchemaNode,
  type SchemaObject,
} from './document.ts';
import { canonical, isMultiple, lengthOf } from './json.ts';
import { allOf, atLeast, atMost, made, typesOf } from './keywords.ts';
import type { Strings } from './strings.ts';

const encoder = new TextEncoder();

/**
 * Says whether a value that a schema lists fits everything else that the schema
 * says: lists need no automaton then.
 */
export class Validator {
  #document: SchemaDocument;
  #conjunctions: Conjunctions;
  #strings: Strings;
  #budget: Budget;
  #lists = new Map<readonly unknown[], ReadonlySet<string>>();

  constructor(document: SchemaDocument, conjunctions: Conjunctions, strings: Strings, budget: Budget) {
    this.#document = document;
    this.#conjunctions = conjunctions;
    this.#strings = strings;
    this.#budget = budget;
  }

  fits(value: unknown, nodes: Conjunction): boolean {
    return this.#conjunctions.alternatives(nodes).some((flat) => this.fitsFlat(value, flat));
  }

  /** Of a conjunction that was taken apart. */
  fitsFlat(value: unknown, nodes: Conjunction): boolean {
    this.#budget.work(20);
    const { types, isInteger } = typesOf(nodes);
    const type = typeOf(value);
    if (!types.has(type) || (type === 'number' && isInteger && !Number.isInteger(value))) return false;
    if (!this.#fitsLists(value, nodes)) return false;
    if (typeof value === 'number') return fitsNumber(value, nodes);
    if (typeof value === 'string') return this.#fitsString(value, nodes);
    if (Array.isArray(value)) return this.#fitsArray(value, nodes);
    return !isObject(value) || this.#fitsObject(value, nodes);
  }

  #fitsLists(value: unknown, nodes: Conjunction): boolean {
    const text = canonical(value);
    const has = (values: readonly unknown[]) => this.#textsOf(values).has(text);
    return (
      allOf(nodes, 'const').every((found) => canonical(found.value) === text) &&
      allOf<readonly unknown[]>(nodes, 'enum').every((found) => has(found.value)) &&
      allOf<readonly unknown[]>(nodes, made.notValues).every((found) => !has(found.value))
    );
  }

  /** Of a list, once: each of its values is looked for in it. */
  #textsOf(values: readonly unknown[]): ReadonlySet<string> {
    let texts = this.#lists.get(values);
    if (texts === undefined) {
      this.#budget.work(10 * values.length);
      texts = new Set(values.map(canonical));
      this.#lists.set(values, texts);
    }
    return texts;
  }

  #fitsString(value: string, nodes: Conjunction): boolean {
    const length = lengthOf(value);
    if (length < atLeast(nodes, 'minLength') || length > atMost(nodes, 'maxLength')) return false;
    const bytes = encoder.encode(JSON.stringify(value).slice(1, -1));
    const finds = (source: string, place: { path: string; keyword?: string }) =>
      accepts(this.#strings.pattern(source, place), bytes);
    return (
      allOf<string>(nodes, 'pattern').every((each) => finds(each.value, each.place)) &&
      allOf<string>(nodes, made.notPattern).every((each) => !finds(each.value, each.place)) &&
      allOf<string>(nodes, 'format').every((each) =>
        accepts(this.#strings.format(each.value, each.place), bytes),
      )
    );
  }

  #fitsArray(value: readonly unknown[], nodes: Conjunction): boolean {
    if (value.length < atLeast(nodes, 'minItems') || value.length > atMost(nodes, 'maxItems')) return false;
    const unique = new Set(value.map(canonical)).size === value.length;
    if (!unique && allOf<boolean>(nodes, 'uniqueItems').some((each) => each.value)) return false;
    return nodes.every((node) => {
      const schema = node.schema as SchemaObject;
      const prefix = (own(schema, 'prefixItems') ?? []) as readonly Schema[];
      const items = own(schema, 'items');
      const fits = value.every((item, i) => {
        if (i < prefix.length) return this.#fitsPart(item, node, prefix[i], 'prefixItems', i);
        return items === undefined || this.#fitsPart(item, node, items, 'items');
      });
      return fits && this.#fitsContains(value, node);
    });
  }

  #fitsContains(value: readonly unknown[], node: SchemaNode): boolean {
    const schema = node.schema as SchemaObject;
    const contains = own(schema, 'contains');
    if (contains === undefined) return true;
    const count = value.filter((item) => this.#fitsPart(item, node, contains, 'contains')).length;
    const least = (own(schema, 'minContains') ?? 1) as number;
    return count >= least && count <= ((own(schema, 'maxContains') ?? Infinity) as number);
  }

  #fitsObject(value: SchemaObject, nodes: Conjunction): boolean {
    const names = Object.keys(value);
    if (names.length < atLeast(nodes, 'minProperties') || names.length > atMost(nodes, 'maxProperties'))
      return false;
    const required = allOf<readonly string[]>(nodes, 'required').flatMap((each) => each.value);
    if (!required.every((name) => Object.hasOwn(value, name))) return false;
    return nodes.every((node) => {
      const rule = own(node.schema as SchemaObject, 'propertyNames');
      return names.every(
        (name) =>
          (rule === undefined || this.#fitsPart(name, node, rule, 'propertyNames')) &&
          propertySchemas(node, name, this.#strings).every(({ schema, path }) =>
            this.fits(value[name], [this.#document.node(schema, path, node.isMade)]),
          ),
      );
    });
  }

  #fitsPart(value: unknown, node: SchemaNode, schema: unknown, ...steps: (string | number)[]): boolean {
    return this.fits(value, [this.#document.node(schema, below(node.path, ...steps), node.isMade)]);
  }
}

function typeOf(value: unknown): 'null' | 'boolean' | 'number' | 'string' | 'array' | 'object' {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return typeof value as 'boolean' | 'number' | 'string' | 'object'; // JSON has no other
}

function fitsNumber(value: number, nodes: Conjunction): boolean {
  return (
    allOf<number>(nodes, 'minimum').every((each) => value >= each.value) &&
    allOf<number>(nodes, 'maximum').every((each) => value <= each.value) &&
    allOf<number>(nodes, 'exclusiveMinimum').every((each) => value > each.value) &&
    allOf<number>(nodes, 'exclusiveMaximum').every((each) => value < each.value) &&
    allOf<number>(nodes, 'multipleOf').every((each) => isMultiple(value, each.value)) &&
    (allOf(nodes, made.fraction).length === 0 || !Number.isInteger(value))
  );
}

/**
 * What one node asks of the value of a property: its own schema, those of patterns,
 * or else that of the others.
 */
export function propertySchemas(
  node: SchemaNode,
  name: string,
  strings: Strings,
): { readonly schema: unknown; readonly path: string }[] {
  const schema = node.schema as SchemaObject;
  const properties = (own(schema, 'properties') ?? {}) as SchemaObject;
  const patterns = (own(schema, 'patternProperties') ?? {}) as SchemaObject;
  const found: { schema: unknown; path: string }[] = [];
  if (Object.hasOwn(properties, name)) {
    found.push({ schema: properties[name], path: below(node.path, 'properties', name) });
  }
  const bytes = encoder.encode(JSON.stringify(name).slice(1, -1));
  for (const source of Object.keys(patterns)) {
    const place = { path: below(node.path, 'patternProperties', source) };
    if (accepts(strings.pattern(source, place), bytes))
      found.push({ schema: patterns[source], path: place.path });
  }
  const others = own(schema, 'additionalProperties');
  if (found.length === 0 && others !== undefined) {
    found.push({ schema: others, path: below(node.path, 'additionalProperties') });
  }
  return found;
}

/** Half a character has no UTF-8, so no text can hold the string. */
export function refuseHalves(string: string, place: { path: string; keyword?: string }): void {
  if (/\p{Surrogate}/u.test(string)) refuse(place, `${JSON.stringify(string)} has half a character.`);
}
