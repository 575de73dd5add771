import { refuse, type SchemaPlace } from '../errors.ts';
import { isObject, own, type SchemaNode, type SchemaObject } from './document.ts';

/** The types of JSON values; integers are numbers. */
export const typeNames = ['null', 'boolean', 'number', 'string', 'array', 'object'] as const;
export type TypeName = (typeof typeNames)[number];

/**
 * Keywords that this package makes itself while it takes schemas apart; no schema
 * from outside may hold them.
 */
export const made = {
  /** A number that is not whole. */
  fraction: '\0fraction',
  notPattern: '\0notPattern',
  notValues: '\0notValues',
} as const;

type Check = (value: unknown) => boolean;
const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const isNumber: Check = (value) => typeof value === 'number';
const isString: Check = (value) => typeof value === 'string';
const isBoolean: Check = (value) => typeof value === 'boolean';
const isSchema: Check = (value) => typeof value === 'boolean' || isObject(value);
const isList =
  (item: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(item);
const isMap =
  (item: Check): Check =>
  (value) =>
    isObject(value) && Object.values(value).every(item);
const isSchemas: Check = (value) => isList(isSchema)(value) && (value as unknown[]).length > 0;
const anything: Check = () => true;

const isType: Check = (value) =>
  typeof value === 'string' && (value === 'integer' || typeNames.includes(value as TypeName));

/** What each keyword that is honoured must hold. */
const honoured: Readonly<Record<string, Check>> = {
  type: (value) => isType(value) || (isList(isType)(value) && (value as unknown[]).length > 0),
  const: anything,
  enum: isList(anything),
  $ref: isString,
  allOf: isSchemas,
  anyOf: isSchemas,
  oneOf: isSchemas,
  not: isSchema,
  if: isSchema,
  // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON schema
  then: isSchema,
  else: isSchema,
  properties: isMap(isSchema),
  patternProperties: isMap(isSchema),
  additionalProperties: isSchema,
  propertyNames: isSchema,
  required: isList(isString),
  dependentRequired: isMap(isList(isString)),
  dependentSchemas: isMap(isSchema),
  minProperties: isCount,
  maxProperties: isCount,
  prefixItems: isSchemas,
  items: isSchema,
  contains: isSchema,
  minContains: isCount,
  maxContains: isCount,
  minItems: isCount,
  maxItems: isCount,
  uniqueItems: isBoolean,
  minLength: isCount,
  maxLength: isCount,
  pattern: isString,
  format: isString,
  minimum: isNumber,
  maximum: isNumber,
  exclusiveMinimum: isNumber,
  exclusiveMaximum: isNumber,
  multipleOf: (value) => typeof value === 'number' && value > 0,
};

/** Keywords that say something about a schema and nothing about values. */
const annotations = new Set([
  '$schema',
  '$id',
  '$anchor',
  '$defs',
  'definitions',
  '$comment',
  'title',
  'description',
  'default',
  'examples',
  'deprecated',
  'readOnly',
  'writeOnly',
  'contentEncoding',
  'contentMediaType',
  'contentSchema',
  'discriminator', // OpenAPI: which branch of a oneOf a reader should look at first
]);

const hints: Readonly<Record<string, string>> = {
  additionalItems: 'this is items beside prefixItems since 2020-12',
  dependencies: 'this is dependentRequired and dependentSchemas since 2019-09',
  nullable: 'write "type": ["…", "null"]',
  id: 'this is $id since draft 6',
  $recursiveRef: 'refer to #/$defs/…',
  $dynamicRef: 'refer to #/$defs/…',
  unevaluatedProperties: 'write additionalProperties: false where the properties are',
  unevaluatedItems: 'write items: false where the prefixItems are',
};

/**
 * Refuses what is not known, or not as it should be: a keyword that is passed over
 * would not be honoured.
 */
export function checkKeywords({ schema, path, isMade }: SchemaNode): void {
  if (!isObject(schema)) return;
  for (const keyword of Object.keys(schema)) {
    const value = schema[keyword];
    const place = { path, keyword };
    if (annotations.has(keyword) || (isMade && keyword.startsWith('\0'))) continue;
    if (keyword.startsWith('unevaluated') && value === true) continue;
    const holds = Object.hasOwn(honoured, keyword) ? honoured[keyword] : undefined;
    if (holds === undefined) {
      refuse(
        place,
        'the keyword cannot be honoured.',
        Object.hasOwn(hints, keyword) ? hints[keyword] : undefined,
      );
    }
    if (holds(value)) continue;
    const isOld = keyword === 'items' && Array.isArray(value);
    refuse(
      place,
      'its value is not what JSON schema 2020-12 says.',
      isOld ? 'a list is prefixItems' : undefined,
    );
  }
}

/** A keyword of a node and where it is. */
export interface Found<T> {
  readonly value: T;
  readonly place: SchemaPlace;
}

/**
 * The values that nodes of a conjunction give a keyword. The type is what
 * `checkKeywords` has seen.
 */
export function allOf<T>(nodes: readonly SchemaNode[], keyword: string): Found<T>[] {
  return nodes.flatMap(({ schema, path }) => {
    const value = own(schema as SchemaObject, keyword);
    return value === undefined ? [] : [{ value: value as T, place: { path, keyword } }];
  });
}

/** The largest and the least of a keyword that counts. */
export function atLeast(nodes: readonly SchemaNode[], keyword: string): number {
  return allOf<number>(nodes, keyword).reduce((most, { value }) => Math.max(most, value), 0);
}
export function atMost(nodes: readonly SchemaNode[], keyword: string): number {
  return allOf<number>(nodes, keyword).reduce((least, { value }) => Math.min(least, value), Infinity);
}

/**
 * Types that every node of a conjunction allows; `integer` where numbers must be
 * whole.
 */
export function typesOf(nodes: readonly SchemaNode[]): { types: Set<TypeName>; isInteger: boolean } {
  const types = new Set<TypeName>(typeNames);
  let isInteger = false;
  for (const { value } of allOf<string | readonly string[]>(nodes, 'type')) {
    const names = typeof value === 'string' ? [value] : value;
    if (names.includes('integer') && !names.includes('number')) isInteger = true;
    for (const type of typeNames) {
      const has = names.includes(type) || (type === 'number' && names.includes('integer'));
      if (!has) types.delete(type);
    }
  }
  return { types, isInteger };
}
