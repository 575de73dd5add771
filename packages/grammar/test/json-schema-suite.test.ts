import { compileSchema, type Grammar, GrammarError, Matcher } from '@cria/grammar';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { byteTrie, takes } from './walk.ts';

interface Group {
  readonly description: string;
  readonly schema: unknown;
  readonly tests: readonly {
    readonly description: string;
    readonly data: unknown;
    readonly valid: boolean;
  }[];
}

/**
 * JSON-Schema-Test-Suite, draft 2020-12, without the files whose every schema is refused
 * ($dynamicRef, other documents, unevaluated…, vocabularies), those of formats, of numbers beyond
 * doubles, and of keywords that the draft lets pass.
 */
const file = new URL('vectors/json-schema-test-suite/draft2020-12.json', import.meta.url);
const suite = JSON.parse(readFileSync(file, 'utf8')) as Readonly<Record<string, readonly Group[]>>;

const MOST_TEXTS = 3000;

/** A value as compact texts, its properties in every order; numbers without exponents. */
function textsOf(value: unknown): string[] {
  const joined = (parts: readonly string[][]) =>
    parts.reduce<string[]>(
      (all, part) =>
        all
          .flatMap((head) => part.map((tail) => (head === '' ? tail : `${head},${tail}`)))
          .slice(0, MOST_TEXTS),
      [''],
    );
  if (Array.isArray(value)) return joined(value.map(textsOf)).map((items) => `[${items}]`);
  if (typeof value === 'object' && value !== null) {
    const pairs = Object.entries(value).map(([key, each]) =>
      textsOf(each).map((text) => `${JSON.stringify(key)}:${text}`),
    );
    return orders(pairs)
      .flatMap(joined)
      .slice(0, MOST_TEXTS)
      .map((all) => `{${all}}`);
  }
  return [
    typeof value === 'number' && Number.isInteger(value) ? String(BigInt(value)) : JSON.stringify(value),
  ];
}

function orders<T>(items: readonly T[]): T[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item, i) => orders(items.filter((_, j) => j !== i)).map((rest) => [item, ...rest]));
}

/** Undefined where it is refused; every refusal of a schema that some value fits names its place. */
function compiled({ schema, description, tests }: Group): Grammar | undefined {
  try {
    return compileSchema(schema);
  } catch (error) {
    if (!(error instanceof GrammarError)) throw error;
    const isEmpty = error.message.includes('no text at all fits');
    if (isEmpty) expect([description, tests.some(({ valid }) => valid)]).toEqual([description, false]);
    else expect(error.place?.path).toMatch(/^#/);
    return undefined;
  }
}

/** Groups that are refused, by file: other documents, `$id` inside, `uniqueItems`, nothing fits, … */
const refused: Readonly<Record<string, number>> = {
  'allOf.json': 2,
  'anchor.json': 3,
  'anyOf.json': 1,
  'boolean_schema.json': 1,
  'defs.json': 1,
  'dependentSchemas.json': 1,
  'enum.json': 1,
  'multipleOf.json': 1,
  'not.json': 3,
  'oneOf.json': 3,
  'ref.json': 15,
  'uniqueItems.json': 3,
};

describe('JSON-Schema-Test-Suite: what is honoured is right', () => {
  it.each(Object.entries(suite))('%s', (name, groups) => {
    let count = 0;
    for (const group of groups) {
      const grammar = compiled(group);
      if (grammar === undefined) {
        count++;
        continue;
      }
      const matcher = new Matcher(grammar, byteTrie);
      for (const { description, data, valid } of group.tests) {
        const taken = textsOf(data).some((text) => takes(matcher, text));
        expect([group.description, description, taken]).toEqual([group.description, description, valid]);
      }
    }
    expect(count).toBe(refused[name] ?? 0);
  });
});
