import type { Random } from './random.ts';

/** A schema of keywords chosen at random; many contradict themselves, as people's do. */
export function randomSchema(random: Random, depth: number): unknown {
  const inner = () =>
    depth > 0
      ? randomSchema(random, depth - 1)
      : random.pick<unknown>([true, { type: 'integer' }, { type: 'null' }]);
  const schema: Record<string, unknown> = {};
  const add = (chance: number, keyword: string, make: () => unknown) => {
    if (random.below(100) < chance) schema[keyword] = make();
  };
  const named = () =>
    Object.fromEntries(['a', 'b', 'ab'].slice(random.below(3)).map((name) => [name, inner()]));
  const names = () => ['a', 'b', 'c'].filter(() => random.below(3) === 0);
  const kind = random.pick(['object', 'array', 'string', 'number', 'any', 'combined']);
  if (kind !== 'any' && kind !== 'combined') schema['type'] = random.below(5) === 0 ? [kind, 'null'] : kind;
  if (kind === 'object') {
    add(80, 'properties', named);
    add(40, 'required', names);
    add(50, 'additionalProperties', () => random.pick<unknown>([false, { type: 'null' }, inner()]));
    add(20, 'patternProperties', () => ({ [random.pick(['^a', 'b', 'c$'])]: inner() }));
    add(15, 'minProperties', () => random.below(3));
    add(20, 'maxProperties', () => 1 + random.below(3));
    add(10, 'propertyNames', () => ({ maxLength: 2 }));
    add(10, 'dependentRequired', () => ({ a: ['b'] }));
  } else if (kind === 'array') {
    add(70, 'items', inner);
    add(30, 'prefixItems', () => [inner(), inner()]);
    add(30, 'minItems', () => random.below(3));
    add(60, 'maxItems', () => 1 + random.below(3));
    add(15, 'contains', () => ({ type: random.pick(['null', 'integer', 'string']) }));
    add(10, 'maxContains', () => 1 + random.below(2));
  } else if (kind === 'string') {
    add(30, 'minLength', () => random.below(4));
    add(50, 'maxLength', () => 1 + random.below(5));
    add(40, 'pattern', () => random.pick(['^a', 'b+$', '[a-f]{2}', '^\\w*$', '^(?:é|"|\\\\)', 'x|^$']));
    add(15, 'not', () => ({ pattern: random.pick(['a', '^b', 'c$']) }));
  } else if (kind === 'number') {
    add(30, 'minimum', () => random.pick([-10, -0.5, 0, 3, 2.75]));
    add(30, 'exclusiveMaximum', () => random.pick([0, 1, 9.5, 1000, 1e20]));
    add(20, 'multipleOf', () => random.pick([1, 3, 0.5, 0.01]));
    add(15, 'not', () => random.pick<unknown>([{ const: 3 }, { type: 'integer' }, { minimum: 5 }]));
  }
  if (kind === 'any') add(60, random.pick(['enum', 'const']), () => [1, 'a', null, { a: [true] }]);
  if (kind === 'combined' || random.below(6) === 0) {
    const keyword = random.pick(['anyOf', 'oneOf', 'allOf']);
    schema[keyword] = Array.from({ length: 1 + random.below(3) }, inner);
  }
  if (depth > 1) add(8, 'if', () => ({ type: random.pick(['object', 'string', 'integer']) }));
  // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON schema
  if (schema['if'] !== undefined) schema['then'] = inner();
  return schema;
}
