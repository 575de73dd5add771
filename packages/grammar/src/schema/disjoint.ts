import { isObject, own, type SchemaNode, type SchemaObject } from './document.ts';
import { canonical } from './json.ts';
import { typeNames } from './keywords.ts';

/**
 * What can be said of a schema's values at a glance: all of them have one of these.
 */
interface Outline {
  readonly types: ReadonlySet<string>;
  /** As canonical text; undefined where there are others. */
  readonly values: ReadonlySet<string> | undefined;
  /** Values of properties that every one of its objects has. */
  readonly tags: ReadonlyMap<string, ReadonlySet<string>>;
}

/** References that are followed for an outline. */
const MOST_STEPS = 8;

/**
 * Whether it is plain that no value fits both: by type, by value, or by the value
 * of a property that both need.
 */
export function areDisjoint(
  a: SchemaNode,
  b: SchemaNode,
  resolve: (node: SchemaNode) => SchemaNode,
): boolean {
  const [left, right] = [outline(a, resolve), outline(b, resolve)];
  if (!overlap(left.types, right.types)) return true;
  if (left.values && right.values && !overlap(left.values, right.values)) return true;
  const onlyObjects = [left, right].every(({ types }) => types.size === 1 && types.has('object'));
  if (!onlyObjects) return false;
  return [...left.tags].some(([name, values]) => {
    const others = right.tags.get(name);
    return others !== undefined && !overlap(values, others);
  });
}

function overlap<T>(a: ReadonlySet<T>, b: ReadonlySet<T>): boolean {
  return [...a].some((each) => b.has(each));
}

function outline(node: SchemaNode, resolve: (node: SchemaNode) => SchemaNode): Outline {
  let at = node;
  for (let i = 0; i < MOST_STEPS && isObject(at.schema) && own(at.schema, '$ref') !== undefined; i++) {
    const keys = Object.keys(at.schema);
    if (keys.length > 1) break;
    at = resolve(at);
  }
  const all = new Set<string>(typeNames);
  if (at.schema === false) return { types: new Set(), values: new Set(), tags: new Map() };
  if (!isObject(at.schema)) return { types: all, values: undefined, tags: new Map() };
  const schema = at.schema;
  const type = own(schema, 'type');
  const named =
    type === undefined ? [...all] : [type].flat().map((each) => (each === 'integer' ? 'number' : each));
  const values = valuesOf(schema);
  return { types: new Set(named as string[]), values, tags: tagsOf(schema) };
}

function valuesOf(schema: unknown): ReadonlySet<string> | undefined {
  if (!isObject(schema)) return undefined;
  if (Object.hasOwn(schema, 'const')) return new Set([canonical(schema['const'])]);
  const values = own(schema, 'enum');
  return Array.isArray(values) ? new Set(values.map(canonical)) : undefined;
}

function tagsOf(schema: SchemaObject): Map<string, ReadonlySet<string>> {
  const tags = new Map<string, ReadonlySet<string>>();
  const properties = own(schema, 'properties');
  const required = own(schema, 'required');
  if (!isObject(properties) || !Array.isArray(required)) return tags;
  for (const name of required as readonly string[]) {
    const values = valuesOf(own(properties, name));
    if (values) tags.set(name, values);
  }
  return tags;
}
