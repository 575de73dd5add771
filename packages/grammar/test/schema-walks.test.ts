import { compileSchema, GrammarError, Matcher, TokenTrie } from '@cria/grammar';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { describe, expect, it } from 'vitest';
import { Random } from './random.ts';
import { randomSchema } from './random-schema.ts';
import { jsonVocabulary, walk } from './walk.ts';

/** Steps of decimals are compared exactly here, and by rounded quotients there. */
function validator() {
  const ajv = new Ajv2020({ strict: false, allErrors: false, multipleOfPrecision: 9, validateFormats: true });
  // The package is CommonJS: its default is inside what this import gives.
  (addFormats as unknown as { default: (each: Ajv2020) => void }).default(ajv);
  return ajv;
}

const formats = [
  'date',
  'time',
  'date-time',
  'duration',
  'email',
  'hostname',
  'ipv4',
  'ipv6',
  'uri',
  'uri-reference',
  'uuid',
  'json-pointer',
];

const schemas: Record<string, unknown> = {
  anything: true,
  object: { type: 'object' },
  person: {
    type: 'object',
    properties: {
      name: { type: 'string', minLength: 1, maxLength: 12 },
      age: { type: 'integer', minimum: 0, exclusiveMaximum: 130 },
      tags: { type: 'array', items: { enum: ['a', 'b', 1.5, null, { x: [1] }] }, minItems: 1, maxItems: 3 },
    },
    required: ['name', 'tags'],
    additionalProperties: false,
  },
  list: {
    $ref: '#/$defs/node',
    $defs: {
      node: {
        type: 'object',
        properties: {
          value: { type: 'number' },
          next: { anyOf: [{ $ref: '#/$defs/node' }, { type: 'null' }] },
        },
        required: ['value', 'next'],
        additionalProperties: false,
      },
    },
  },
  numbers: { type: 'array', items: { type: 'number', minimum: -3.25, exclusiveMaximum: 12.5 }, maxItems: 4 },
  below: { type: 'number', exclusiveMinimum: -0.001, maximum: 0 },
  steps: {
    type: 'array',
    prefixItems: [
      { type: 'integer', multipleOf: 7, minimum: -100, maximum: 1000 },
      { type: 'number', multipleOf: 0.25, minimum: -5 },
    ],
    items: false,
    minItems: 2,
  },
  notFive: { type: 'number', not: { enum: [5, 0.5] }, minimum: 0, maximum: 6 },
  patterns: {
    type: 'object',
    patternProperties: { '^a': { type: 'integer' }, z$: { minimum: 3 } },
    additionalProperties: { type: 'boolean' },
    maxProperties: 3,
  },
  names: {
    type: 'object',
    propertyNames: { pattern: '^[a-c]{1,3}$', not: { const: 'abc' } },
    additionalProperties: { type: 'null' },
    minProperties: 1,
    maxProperties: 4,
  },
  either: {
    oneOf: [
      {
        type: 'object',
        properties: { kind: { const: 'a' }, x: { type: 'integer' } },
        required: ['kind', 'x'],
      },
      { type: 'object', properties: { kind: { const: 'b' } }, required: ['kind'] },
      { type: 'string' },
    ],
  },
  overlapping: {
    oneOf: [
      { type: 'integer', minimum: 3 },
      { type: 'number', maximum: 9 },
    ],
  },
  conditional: {
    type: 'object',
    properties: { kind: { enum: ['x', 'y'] }, n: true },
    required: ['kind'],
    if: { properties: { kind: { const: 'x' } } },
    // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON schema
    then: { required: ['n'], properties: { n: { type: 'integer' } } },
    else: { properties: { n: { type: 'string' } } },
    additionalProperties: false,
  },
  dependent: {
    type: 'object',
    properties: { a: { type: 'null' }, b: { type: 'null' }, c: { type: 'null' } },
    additionalProperties: false,
    dependentRequired: { a: ['b'] },
    dependentSchemas: { c: { maxProperties: 2 } },
  },
  counted: {
    type: 'object',
    properties: { a: { type: 'null' }, b: { type: 'null' }, c: { type: 'null' }, d: { type: 'null' } },
    additionalProperties: false,
    minProperties: 2,
    maxProperties: 3,
  },
  holding: {
    type: 'array',
    items: { type: 'integer', minimum: 0, maximum: 20 },
    contains: { minimum: 10 },
    minContains: 2,
    maxContains: 3,
    maxItems: 6,
  },
  text: { type: 'string', pattern: '^(?:[A-Z]{2}|é)"?\\\\?\\d+', maxLength: 9 },
  twoPatterns: {
    type: 'string',
    allOf: [{ pattern: 'a' }, { pattern: 'b' }],
    not: { pattern: 'ab' },
    maxLength: 6,
  },
  strange: {
    type: 'object',
    properties: {
      __proto__x: { type: 'null' },
      constructor: { type: 'integer' },
      'a"b\\c\n': { const: 'é"\n' },
    },
    required: ['constructor', 'a"b\\c\n'],
    additionalProperties: false,
  },
  proto: JSON.parse(
    '{"type":"object","properties":{"__proto__":{"type":"null"}},"required":["__proto__"],"maxProperties":1}',
  ),
  ...Object.fromEntries(formats.map((format) => [format, { type: 'string', format }])),
};

function prove(schema: unknown, seed: number, walks: number, whitespace: 'compact' | 'flexible'): number {
  const random = new Random(seed);
  const validate = validator().compile(schema as object);
  const grammar = compileSchema(schema, { whitespace });
  const tokens = jsonVocabulary(random);
  const trie = TokenTrie.of([...tokens, undefined], { endIds: [tokens.length] });
  const matcher = new Matcher(grammar, trie);
  let ended = 0;
  for (let i = 0; i < walks; i++) {
    const text = walk(matcher, random, tokens);
    if (text === undefined) continue;
    ended++;
    const value: unknown = JSON.parse(text);
    if (!validate(value))
      expect.fail(`${text} does not fit ${JSON.stringify(schema)}: ${JSON.stringify(validate.errors)}`);
  }
  return ended;
}

describe('texts chosen at random fit the schema by ajv', () => {
  it.each(Object.entries(schemas))('%s', (_, schema) => {
    expect(prove(schema, 1, 15, 'compact') + prove(schema, 2, 10, 'flexible')).toBeGreaterThan(10);
  });

  it('schemas chosen at random', () => {
    let [honoured, ended] = [0, 0];
    for (let seed = 0; seed < 80; seed++) {
      const schema = randomSchema(new Random(seed), 3);
      try {
        compileSchema(schema);
      } catch (error) {
        if (error instanceof GrammarError) continue;
        throw error;
      }
      honoured++;
      ended += prove(schema, seed, 4, 'compact');
    }
    expect(honoured).toBeGreaterThan(40);
    expect(ended).toBeGreaterThan(120);
  });
});
