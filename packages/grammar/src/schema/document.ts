import type { Budget } from '../budget.ts';
import { refuse } from '../errors.ts';

export type SchemaObject = Readonly<Record<string, unknown>>;
export type Schema = boolean | SchemaObject;

/**
 * A schema with its place. Nodes of one schema object are one: conjunctions are
 * compared by their nodes' numbers.
 */
export interface SchemaNode {
  readonly id: number;
  readonly schema: Schema;
  readonly path: string;
  /** Made by this package, so that it may hold keywords of its own. */
  readonly isMade: boolean;
}

/** Keywords whose value is a schema, a list of schemas, or schemas by name. */
const holders: Readonly<Record<string, 'one' | 'list' | 'named'>> = {
  $defs: 'named',
  definitions: 'named',
  properties: 'named',
  patternProperties: 'named',
  dependentSchemas: 'named',
  allOf: 'list',
  anyOf: 'list',
  oneOf: 'list',
  prefixItems: 'list',
  items: 'one',
  contains: 'one',
  additionalProperties: 'one',
  propertyNames: 'one',
  not: 'one',
  if: 'one',
  // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON schema
  then: 'one',
  else: 'one',
};

export function isObject(value: unknown): value is SchemaObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Only what the object itself has: a schema may well name a property `constructor`.
 */
export function own(schema: SchemaObject, keyword: string): unknown {
  return Object.hasOwn(schema, keyword) ? schema[keyword] : undefined;
}

/** A JSON pointer one step longer. */
export function below(path: string, ...steps: readonly (string | number)[]): string {
  const escaped = steps.map((step) =>
    encodeURI(
      String(step)
        .replaceAll('~', '~0')
        .replaceAll('/', '~1')
        .replace(/\p{Surrogate}/gu, '\ufffd'),
    ),
  );
  return [path, ...escaped].join('/');
}

/** A whole schema: finds what references name, and says where each part is. */
export class SchemaDocument {
  readonly root: SchemaNode;
  #budget: Budget;
  #nodes = new Map<object, SchemaNode>();
  #count = 0;
  #anchors = new Map<string, SchemaNode>();
  #id = '';

  /** @throws GrammarError where it is no JSON, or nested too deep */
  constructor(schema: unknown, budget: Budget) {
    this.#budget = budget;
    this.#checkJson(schema, '#', 0);
    this.root = this.node(schema, '#');
    if (isObject(schema)) {
      const id = own(schema, '$id');
      if (id !== undefined && typeof id !== 'string')
        refuse({ path: '#', keyword: '$id' }, 'it is no string.');
      checkDialect(own(schema, '$schema'));
      this.#id = typeof id === 'string' ? id.replace(/#$/, '') : '';
    }
    this.#collectAnchors(this.root);
  }

  /** The node of a schema that lies at `path`. */
  node(schema: unknown, path: string, isMade = false): SchemaNode {
    if (typeof schema === 'boolean') return { id: schema ? -1 : -2, schema, path, isMade };
    if (!isObject(schema)) refuse({ path }, 'a schema is an object, true or false.');
    let node = this.#nodes.get(schema);
    if (node === undefined) {
      this.#budget.work(20);
      node = { id: this.#count++, schema, path, isMade };
      this.#nodes.set(schema, node);
    }
    return node;
  }

  /** What a `$ref` names. */
  resolve(ref: unknown, place: { path: string; keyword: string }): SchemaNode {
    if (typeof ref !== 'string') refuse(place, 'it is no string.');
    const hash = ref.indexOf('#');
    const base = hash < 0 ? ref : ref.slice(0, hash);
    if (base !== '' && base !== this.#id) {
      refuse(
        place,
        `${JSON.stringify(ref)} is another document.`,
        'put it under $defs and refer to #/$defs/…',
      );
    }
    const fragment = hash < 0 ? '' : decode(ref.slice(hash + 1));
    if (fragment === undefined) refuse(place, `${JSON.stringify(ref)} is not well escaped.`);
    if (fragment !== '' && !fragment.startsWith('/')) {
      return this.#anchors.get(fragment) ?? refuse(place, `nothing is called ${JSON.stringify(ref)}.`);
    }
    let at: unknown = this.root.schema;
    for (const step of fragment.split('/').slice(1)) {
      const key = step.replaceAll('~1', '/').replaceAll('~0', '~');
      if (typeof at === 'object' && at !== null && Object.hasOwn(at, key)) at = (at as SchemaObject)[key];
      else refuse(place, `nothing is at ${JSON.stringify(ref)}.`);
    }
    return this.node(at, `#${fragment}`);
  }

  #checkJson(value: unknown, path: string, depth: number): void {
    this.#budget.work(1);
    if (depth > this.#budget.nesting) refuse({ path }, `it is nested deeper than ${this.#budget.nesting}.`);
    if (value === null || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value)))
      return;
    if (typeof value === 'string') {
      this.#budget.work(value.length >> 3);
      return;
    }
    if (Array.isArray(value)) {
      for (const [i, item] of value.entries()) this.#checkJson(item, `${path}/${i}`, depth + 1);
      return;
    }
    if (!isObject(value)) refuse({ path }, `${typeof value} is no JSON.`);
    for (const key of Object.keys(value)) this.#checkJson(value[key], below(path, key), depth + 1);
  }

  /** Anchors of every schema in it; a second document inside is refused. */
  #collectAnchors(node: SchemaNode): void {
    const { schema, path } = node;
    if (!isObject(schema)) return;
    const anchor = own(schema, '$anchor');
    if (typeof anchor === 'string') {
      if (this.#anchors.has(anchor))
        refuse({ path, keyword: '$anchor' }, `there are two ${JSON.stringify(anchor)}.`);
      this.#anchors.set(anchor, node);
    }
    if (path !== '#' && Object.hasOwn(schema, '$id')) {
      refuse(
        { path, keyword: '$id' },
        'a document inside a document is not supported.',
        'leave $id to the root',
      );
    }
    for (const [keyword, kind] of Object.entries(holders)) {
      const value = own(schema, keyword);
      if (kind === 'one') this.#collectFrom(value, below(path, keyword));
      else if (typeof value === 'object' && value !== null) {
        for (const [key, each] of Object.entries(value)) this.#collectFrom(each, below(path, keyword, key));
      }
    }
  }

  #collectFrom(value: unknown, path: string): void {
    if (isObject(value)) this.#collectAnchors(this.node(value, path));
  }
}

/** Drafts whose keywords, as far as they are honoured here, mean the same. */
const dialects = /^https?:\/\/json-schema\.org\/(?:draft\/(?:2020-12|2019-09)|draft-0[67])\/schema#?$/;

function checkDialect(dialect: unknown): void {
  if (dialect === undefined || (typeof dialect === 'string' && dialects.test(dialect))) return;
  const place = { path: '#', keyword: '$schema' };
  refuse(
    place,
    'its keywords may mean something else.',
    'this package knows https://json-schema.org/draft/2020-12/schema',
  );
}

function decode(fragment: string): string | undefined {
  try {
    return decodeURIComponent(fragment);
  } catch {
    return undefined;
  }
}
