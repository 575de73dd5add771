import { refuse } from '../errors.ts';
import { below, isObject, own, type Schema, type SchemaNode, type SchemaObject } from './document.ts';
import { made, typeNames } from './keywords.ts';

/**
 * How the opposite of one keyword is written; alternatives of which one must hold.
 */
type Opposite = (value: never, schema: SchemaObject) => readonly Schema[];

const not = (schema: Schema): Schema => (typeof schema === 'boolean' ? !schema : { not: schema });
const numbers =
  (keyword: string): Opposite =>
  (value: number) => [{ type: 'number', [keyword]: value }];

function notTypes(value: string | readonly string[]): readonly Schema[] {
  const names = typeof value === 'string' ? [value] : value;
  const others = typeNames.filter((type) => !names.includes(type));
  const whole = names.includes('integer') && !names.includes('number');
  const rest = whole ? others.filter((type) => type !== 'number') : others;
  const fractions = whole ? [{ type: 'number', [made.fraction]: true }] : [];
  return rest.length === 0 ? fractions : [{ type: rest }, ...fractions];
}

function fewer(type: string, most: string): Opposite {
  return (least: number) => (least === 0 ? [] : [{ type, [most]: least - 1 }]);
}
function more(type: string, least: string): Opposite {
  return (most: number) => [{ type, [least]: most + 1 }];
}

/**
 * An object whose property of that name is as the schema says; own property,
 * whatever its name.
 */
function withProperty(name: string, schema: Schema): SchemaObject {
  return Object.fromEntries([[name, schema]]);
}

const opposites: Readonly<Record<string, Opposite>> = {
  type: notTypes,
  const: (value: unknown) => [{ [made.notValues]: [value] }],
  enum: (values: readonly unknown[]) => [{ [made.notValues]: values }],
  minimum: numbers('exclusiveMaximum'),
  maximum: numbers('exclusiveMinimum'),
  exclusiveMinimum: numbers('maximum'),
  exclusiveMaximum: numbers('minimum'),
  minLength: fewer('string', 'maxLength'),
  maxLength: more('string', 'minLength'),
  minItems: fewer('array', 'maxItems'),
  maxItems: more('array', 'minItems'),
  minProperties: fewer('object', 'maxProperties'),
  maxProperties: more('object', 'minProperties'),
  pattern: (source: string) => [{ type: 'string', [made.notPattern]: source }],
  required: (names: readonly string[]) =>
    names.map((name) => ({ type: 'object', properties: withProperty(name, false) })),
  properties: (schemas: Readonly<Record<string, Schema>>) =>
    Object.keys(schemas).map((name) => ({
      type: 'object',
      required: [name],
      properties: withProperty(name, not(schemas[name]!)),
    })),
  prefixItems: (schemas: readonly Schema[]) =>
    schemas.map((schema, i) => ({
      type: 'array',
      minItems: i + 1,
      prefixItems: [...schemas.slice(0, i).fill(true), not(schema)],
    })),
  allOf: (schemas: readonly Schema[]) => schemas.map(not),
  anyOf: (schemas: readonly Schema[]) => [{ allOf: schemas.map(not) }],
  not: (schema: Schema) => [schema],
  $ref: (ref: string) => [{ not: { $ref: ref } }],
};

/**
 * Keywords without which a value may be anything, so that nothing is their
 * opposite.
 */
const idle = new Set([
  'uniqueItems',
  'additionalProperties',
  'items',
  'propertyNames',
  'contains',
  'then',
  'else',
  'if',
]);

/**
 * The schema that takes exactly what `node` does not; `resolve` finds what a
 * reference names.
 */
export function negation(node: SchemaNode, resolve: (ref: string) => SchemaNode): Schema {
  const { schema, path } = node;
  if (!isObject(schema)) return !schema;
  const alternatives: Schema[] = [];
  for (const keyword of Object.keys(schema)) {
    const value = schema[keyword];
    if (isAnnotation(keyword)) continue;
    if (keyword === '$ref') alternatives.push(not(resolve(value as string).schema));
    else if (keyword === 'items' && own(schema, 'prefixItems') === undefined && value !== true) {
      alternatives.push({ type: 'array', contains: not(value as Schema) });
    } else if (idle.has(keyword) && isIdle(keyword, schema)) continue;
    else if (Object.hasOwn(opposites, keyword)) {
      alternatives.push(...opposites[keyword]!(value as never, schema)); // each takes what its keyword holds
    } else
      refuse(
        { path: below(path, keyword) },
        `the opposite of "${keyword}" cannot be honoured.`,
        'say what may be',
      );
  }
  return alternatives.length === 0 ? false : { anyOf: alternatives };
}

function isIdle(keyword: string, schema: SchemaObject): boolean {
  if (keyword === 'uniqueItems') return own(schema, keyword) === false;
  if (keyword === 'if') return own(schema, 'then') === undefined && own(schema, 'else') === undefined;
  if (keyword === 'then' || keyword === 'else') return own(schema, 'if') === undefined;
  return own(schema, keyword) === true;
}

const silent = new Set([
  'title',
  'description',
  'default',
  'examples',
  'deprecated',
  'readOnly',
  'writeOnly',
]);

function isAnnotation(keyword: string): boolean {
  if (keyword.startsWith('$')) return keyword !== '$ref';
  return (
    silent.has(keyword) ||
    keyword === 'definitions' ||
    keyword.startsWith('content') ||
    keyword === 'discriminator'
  );
}
