import type { Budget } from '../budget.ts';
import { refuse } from '../errors.ts';
import { areDisjoint } from './disjoint.ts';
import {
  below,
  isObject,
  own,
  type Schema,
  type SchemaDocument,
  type SchemaNode,
  type SchemaObject,
} from './document.ts';
import { checkKeywords } from './keywords.ts';
import { negation } from './negate.ts';

/** Schemas that must all hold; each once, by number. */
export type Conjunction = readonly SchemaNode[];

/** Alternatives into which one conjunction may fall. */
const MOST_ALTERNATIVES = 2_000;

export function keyOf(nodes: Conjunction): string {
  return nodes.map(({ id }) => id).join();
}

/** Nodes in order, each once; without those that hold anyway. */
export function conjunction(nodes: readonly SchemaNode[]): Conjunction {
  const byId = new Map(nodes.filter(({ schema }) => schema !== true).map((node) => [node.id, node]));
  return [...byId.values()].sort((a, b) => a.id - b.id);
}

export function isNever(nodes: Conjunction): boolean {
  return nodes.some(({ schema }) => schema === false);
}

/**
 * A node on the way from the conjunction's own to one that is applied to the same
 * value.
 */
interface Link {
  readonly node: SchemaNode;
  readonly up: Link | undefined;
}

interface Branch {
  readonly done: ReadonlyMap<number, SchemaNode>;
  readonly open: readonly Link[];
}

/** Applicators to the same value, and what they need beside them. */
const branching = ['anyOf', 'oneOf', 'if', 'not', 'dependentRequired', 'dependentSchemas'] as const;

/**
 * Takes conjunctions apart into alternatives in which nothing is left but what a
 * value itself must be: references are followed, `allOf` is joined, `anyOf`,
 * `oneOf`, `if`, `not` and dependencies are written out as alternatives.
 */
export class Conjunctions {
  readonly #document: SchemaDocument;
  readonly #budget: Budget;
  #checked = new Set<number>();
  #negations = new Map<number, SchemaNode>();
  #made = new Map<string, readonly SchemaNode[]>();

  constructor(document: SchemaDocument, budget: Budget) {
    this.#document = document;
    this.#budget = budget;
  }

  /** A schema that this package made of parts of `node`. */
  make(schema: Schema, { path }: SchemaNode): SchemaNode {
    return this.#document.node(schema, path, true);
  }

  alternatives(nodes: Conjunction): Conjunction[] {
    const found: Conjunction[] = [];
    const waiting: Branch[] = [{ done: new Map(), open: nodes.map((node) => ({ node, up: undefined })) }];
    const seen = new Set<string>();
    for (let branch = waiting.pop(); branch !== undefined; branch = waiting.pop()) {
      this.#budget.work(10 + branch.done.size + branch.open.length);
      const [link, ...open] = branch.open;
      if (link === undefined) {
        const flat = conjunction(
          [...branch.done.values()].filter(({ schema }) => isAsserting(schema as SchemaObject)),
        );
        if (!seen.has(keyOf(flat))) found.push(flat);
        seen.add(keyOf(flat));
        continue;
      }
      const next = this.#take(link, { done: branch.done, open });
      if (next.length + waiting.length + found.length > MOST_ALTERNATIVES) {
        refuse(
          { path: link.node.path },
          `it falls into more than ${MOST_ALTERNATIVES} alternatives.`,
          'combine less',
        );
      }
      waiting.push(...next.reverse());
    }
    return found;
  }

  /** The branch with one node more. */
  #take(link: Link, { done, open }: Branch): Branch[] {
    const { node } = link;
    if (node.schema === false) return [];
    if (node.schema === true || done.has(node.id)) {
      if (node.schema !== true) refuseCycle(link);
      return [{ done, open }];
    }
    this.#check(node);
    const ways = this.#ways(node);
    const all = new Map(done).set(node.id, node);
    return ways.map((way) => ({
      done: all,
      open: [...way.map((each) => ({ node: each, up: link })), ...open],
    }));
  }

  #check(node: SchemaNode): void {
    if (this.#checked.has(node.id)) return;
    checkKeywords(node);
    this.#checked.add(node.id);
  }

  /**
   * What else must hold of a value that a node is applied to: one of these lists,
   * each wholly.
   */
  #ways(node: SchemaNode): SchemaNode[][] {
    const schema = node.schema as SchemaObject; // of an object
    const { path } = node;
    const always: SchemaNode[] = [];
    const ref = own(schema, '$ref');
    if (ref !== undefined) always.push(this.#document.resolve(ref, { path, keyword: '$ref' }));
    always.push(...this.#list(node, 'allOf'));
    let ways: SchemaNode[][] = [always];
    for (const keyword of branching) {
      if (own(schema, keyword) === undefined) continue;
      for (const choices of this.#choices(node, keyword)) {
        if (ways.length * choices.length > MOST_ALTERNATIVES) {
          refuse(
            { path, keyword },
            `it falls into more than ${MOST_ALTERNATIVES} alternatives.`,
            'combine less',
          );
        }
        ways = ways.flatMap((way) => choices.map((more) => [...way, ...more]));
      }
    }
    return ways;
  }

  #list(node: SchemaNode, keyword: string): SchemaNode[] {
    const list = (own(node.schema as SchemaObject, keyword) ?? []) as readonly Schema[];
    return list.map((each, i) => this.#document.node(each, below(node.path, keyword, i), node.isMade));
  }

  /** Choices that must each be made. */
  #choices(node: SchemaNode, keyword: (typeof branching)[number]): SchemaNode[][][] {
    const key = `${node.id}/${keyword}`;
    switch (keyword) {
      case 'anyOf':
        return [this.#list(node, keyword).map((each) => [each])];
      case 'oneOf':
        return [this.#oneOf(node)];
      case 'not':
        return [[[this.not(this.#part(node, 'not'))]]];
      case 'if':
        return this.#if(node);
      case 'dependentRequired':
      case 'dependentSchemas': {
        const schemas = this.#remembered(key, () =>
          dependencies(node, keyword).map((each) => this.make(each, node)),
        );
        return schemas.map((each) => [[each]]);
      }
    }
  }

  /** Made schemas are made once: a conjunction is known by its nodes. */
  #remembered(key: string, make: () => readonly SchemaNode[]): readonly SchemaNode[] {
    let known = this.#made.get(key);
    if (known === undefined) {
      known = make();
      this.#made.set(key, known);
    }
    return known;
  }

  #part(node: SchemaNode, keyword: string): SchemaNode {
    const schema = own(node.schema as SchemaObject, keyword);
    return this.#document.node(schema, below(node.path, keyword), node.isMade);
  }

  /** The schema that takes exactly what this one does not. */
  not(node: SchemaNode): SchemaNode {
    if (typeof node.schema === 'boolean') return this.#document.node(!node.schema, node.path);
    let known = this.#negations.get(node.id);
    if (known === undefined) {
      this.#check(node);
      const place = { path: node.path, keyword: '$ref' };
      const schema = negation(node, (ref) => this.#document.resolve(ref, place));
      known = this.make(schema, node);
      this.#negations.set(node.id, known);
    }
    return known;
  }

  #if(node: SchemaNode): SchemaNode[][][] {
    const schema = node.schema as SchemaObject;
    const [hasThen, hasElse] = [own(schema, 'then') !== undefined, own(schema, 'else') !== undefined];
    if (!hasThen && !hasElse) return [];
    const condition = this.#part(node, 'if');
    const holds = hasThen ? [condition, this.#part(node, 'then')] : [condition];
    const fails = [this.not(condition), ...(hasElse ? [this.#part(node, 'else')] : [])];
    return [[holds, fails]];
  }

  /**
   * Branches of which no two can hold are plain alternatives; of others, the rest
   * must not hold.
   */
  #oneOf(node: SchemaNode): SchemaNode[][] {
    const branches = this.#list(node, 'oneOf');
    for (const branch of branches) this.#check(branch);
    const resolve = (each: SchemaNode): SchemaNode => {
      const ref = isObject(each.schema) ? own(each.schema, '$ref') : undefined;
      return this.#document.resolve(ref, { path: each.path, keyword: '$ref' });
    };
    this.#budget.work(branches.length ** 2 * 20);
    return branches.map((branch, i) => {
      const others = branches.filter((other, j) => j !== i && !areDisjoint(branch, other, resolve));
      return [branch, ...others.map((other) => this.not(other))];
    });
  }
}

/** Something that applies itself to the same value again has no meaning. */
function refuseCycle(link: Link): void {
  for (let each = link.up; each !== undefined; each = each.up) {
    if (each.node.id === link.node.id)
      refuse({ path: link.node.path }, 'it refers to itself without any progress.');
  }
}

/** Whether a node says anything but what `alternatives` has taken apart. */
function isAsserting(schema: SchemaObject): boolean {
  return Object.keys(schema).some((keyword) => !takenApart.has(keyword));
}
const takenApart = new Set([
  ...branching,
  '$ref',
  'allOf',
  'then',
  'else',
  '$defs',
  'definitions',
  '$schema',
  '$id',
]);

/** `a` needs b: either there is no `a`, or b holds. */
function dependencies({ schema }: SchemaNode, keyword: string): Schema[] {
  const named = own(schema as SchemaObject, keyword) as Readonly<Record<string, Schema | readonly string[]>>; // checked
  return Object.keys(named).map((name) => {
    const needed = named[name]!;
    const then = Array.isArray(needed) ? [] : [needed as Schema];
    const required = Array.isArray(needed) ? [name, ...needed] : [name];
    return {
      anyOf: [
        { properties: Object.fromEntries([[name, false]]) },
        { allOf: [{ type: 'object', required }, ...then] },
      ],
    };
  });
}
