import { compileGrammar, compileRegex, compileSchema, GrammarError, Matcher } from '@cria/grammar';
import { describe, expect, it } from 'vitest';
import { Random } from './random.ts';
import { byteTrie, takes } from './walk.ts';

function nested(depth: number, wrap: (inner: unknown) => unknown): unknown {
  let schema: unknown = true;
  for (let i = 0; i < depth; i++) schema = wrap(schema);
  return schema;
}
const many = <T>(count: number, make: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));
const cycle: Record<string, unknown> = { type: 'array' };
cycle['items'] = cycle;

const hostile: Record<string, unknown> = {
  'nested 100,000 deep': nested(100_000, (items) => ({ items })),
  'an object that holds itself': cycle,
  'a reference to itself': { $ref: '#' },
  'references in a circle': {
    $ref: '#/$defs/a',
    $defs: { a: { allOf: [{ $ref: '#/$defs/b' }] }, b: { anyOf: [{ $ref: '#/$defs/a' }, true] } },
  },
  'the opposite of itself': { not: { $ref: '#' } },
  'alternatives of alternatives': { allOf: many(20, () => ({ anyOf: many(4, (i) => ({ minimum: i })) })) },
  'a huge repetition beside a pattern': { type: 'string', pattern: 'a', maxLength: 1e9 },
  'a pattern of many states': { type: 'string', pattern: '(a|b)*a(a|b){30}' },
  'nested repetitions': { type: 'string', pattern: '((((a{99}){99}){99}){99}){99}' },
  'a huge step': { type: 'number', multipleOf: 1e300 },
  'a tiny step': { type: 'number', multipleOf: 5e-324 },
  'many patterns of names': { patternProperties: Object.fromEntries(many(40, (i) => [`^${i}`, true])) },
  'dependencies of everything': {
    dependentRequired: Object.fromEntries(many(64, (i) => [`p${i}`, [`p${i + 1}`]])),
  },
  'many branches of which one': { oneOf: many(3000, (i) => ({ minimum: i })) },
  'properties with counts': {
    properties: Object.fromEntries(many(4000, (i) => [`p${i}`, true])),
    minProperties: 2000,
  },
  'items with counts': { prefixItems: many(3000, () => true), contains: { type: 'null' }, minContains: 200 },
  'no JSON': { const: () => 1 },
  'no schema': [],
  'a number for a schema': { properties: { a: 5 } },
  'half a character': { const: '\ud800' },
  'a type that there is not': { type: 'date' },
  'a negative count': { minLength: -1 },
  'an unknown keyword': { properties: { a: { minimun: 3 } } },
  'a list of items': { items: [true] },
  NaN: { minimum: NaN },
};

describe('what is hostile is refused', () => {
  it.each(Object.entries(hostile))('%s', (_, schema) => {
    expect(() => compileSchema(schema)).toThrow(GrammarError);
  });

  it('names the place', () => {
    expect(() => compileSchema({ properties: { 'a/b': { items: { minimun: 3 } } } })).toThrow(
      '[compileSchema] at #/properties/a~1b/items, "minimun": the keyword cannot be honoured.',
    );
    for (const keyword of [
      'uniqueItems',
      'unevaluatedProperties',
      '$dynamicRef',
      'unevaluatedItems',
      'dependencies',
    ]) {
      const value = keyword === 'uniqueItems' ? true : keyword === '$dynamicRef' ? '#a' : {};
      expect(() => compileSchema({ items: { [keyword]: value } })).toThrow(`at #/items, "${keyword}"`);
    }
    expect(() => compileSchema({ items: { pattern: 'a(?=b)' } })).toThrow(
      'at #/items, "pattern": lookaround',
    );
    expect(() => compileSchema({ items: { format: 'regex' } })).toThrow(
      'at #/items, "format": the format "regex"',
    );
  });

  it('after its deadline', () => {
    let time = 0;
    const limits = { deadline: 5, now: () => time++ };
    const big = { enum: many(5000, (i) => `some text number ${i}`) };
    expect(() => compileSchema(big, { limits })).toThrow('was not compiled by its deadline');
    expect(() => compileSchema(true, { limits: { deadline: 5 } })).toThrow('without limits.now');
  });

  it('beyond its states and its work', () => {
    expect(() => compileRegex('a{0,5000}', { limits: { states: 1000 } })).toThrow(
      'needs more than 1000 states',
    );
    expect(() => compileGrammar(many(3000, (i) => `r${i} ::= r${i + 1}`).join('\n'))).toThrow(GrammarError);
    expect(() =>
      compileRegex(many(200, (i) => `(a{${i}}b?)*`).join(''), { limits: { work: 10_000 } }),
    ).toThrow('too much work');
  });
});

it('large and honest schemas are honoured', () => {
  const wide = {
    type: 'object',
    properties: Object.fromEntries(many(1000, (i) => [`property ${i}`, { type: 'integer' }])),
  };
  expect(
    takes(new Matcher(compileSchema(wide), byteTrie), '{"property 3":1,"property 999":2,"other":[]}'),
  ).toBe(true);
  const long = { enum: many(2000, (i) => `choice ${i}`) };
  expect(takes(new Matcher(compileSchema(long), byteTrie), '"choice 1999"')).toBe(true);
  const far = { type: 'string', minLength: 100_000, maxLength: 1_000_000 };
  expect(takes(new Matcher(compileSchema(far), byteTrie), JSON.stringify('x'.repeat(99_999)))).toBe(false);
  expect(takes(new Matcher(compileSchema(far), byteTrie), JSON.stringify('x'.repeat(100_001)))).toBe(true);
});

const keywords = [
  'type',
  'const',
  'enum',
  '$ref',
  'allOf',
  'anyOf',
  'oneOf',
  'not',
  'if',
  'then',
  'properties',
  'patternProperties',
  'additionalProperties',
  'required',
  'minProperties',
  'items',
  'prefixItems',
  'contains',
  'minItems',
  'minLength',
  'maxLength',
  'pattern',
  'format',
  'minimum',
  'multipleOf',
  '__proto__',
  'constructor',
  'toString',
  '$id',
  '$anchor',
];

/** Keywords with values of every kind, right and wrong. */
function nonsense(random: Random, depth: number): unknown {
  const leaf = () =>
    random.pick<unknown>([
      'string',
      'object',
      '#',
      '#/allOf/0',
      'a+',
      '(',
      'date',
      0,
      -1,
      1e308,
      5e-324,
      2 ** 53,
      true,
      false,
      null,
      [],
      {},
      '__proto__',
      '\ud800',
    ]);
  if (depth === 0) return leaf();
  const kind = random.below(6);
  if (kind === 0) return leaf();
  if (kind === 1) return many(random.below(4), () => nonsense(random, depth - 1));
  return Object.fromEntries(
    many(1 + random.below(3), () => [random.pick(keywords), nonsense(random, depth - 1)]),
  );
}

it('1,500 schemas of nonsense are honoured or refused, nothing else', () => {
  const random = new Random(5);
  let honoured = 0;
  for (let i = 0; i < 1500; i++) {
    const schema = nonsense(random, 4);
    try {
      new Matcher(compileSchema(schema, { limits: { work: 2_000_000 } }), byteTrie)
        .start()
        .mask(new Uint32Array(9));
      honoured++;
    } catch (error) {
      if (!(error instanceof GrammarError)) throw new Error(`at ${JSON.stringify(schema)}`, { cause: error });
    }
  }
  expect(honoured).toBeGreaterThan(50);
});
