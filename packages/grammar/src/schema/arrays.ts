import { choice, empty, type Expression, never, repeat, sequence } from '../automata/expression.ts';
import { refuse } from '../errors.ts';
import { type Conjunction, conjunction, isNever } from './conjunction.ts';
import { own, type Schema, type SchemaNode, type SchemaObject } from './document.ts';
import { allOf, atLeast, atMost, made } from './keywords.ts';
import type { ValueMaker } from './value-maker.ts';

/** Items up to which arrays that must contain something are counted one by one. */
const MOST_COUNTED = 256;

/** Arrays of a conjunction that was taken apart. */
export function arrayExpression(nodes: Conjunction, maker: ValueMaker): Expression {
  const items = new Items(nodes, maker);
  const min = leastItems(nodes);
  const max = atMost(nodes, 'maxItems');
  refuseRepeats(nodes, max);
  const contained = containedIn(nodes);
  const inside =
    contained === undefined
      ? listed(items, min, max, maker)
      : containing(items, contained, { min, max }, maker);
  return sequence(maker.rules.opening('['), inside, maker.rules.closing(']'));
}

/** What each place of an array must be. */
class Items {
  /** Places that have a schema of their own. */
  readonly prefix: number;
  #nodes: Conjunction;
  #maker: ValueMaker;

  constructor(nodes: Conjunction, maker: ValueMaker) {
    this.#nodes = nodes;
    this.#maker = maker;
    this.prefix = allOf<readonly Schema[]>(nodes, 'prefixItems').reduce(
      (most, { value }) => Math.max(most, value.length),
      0,
    );
  }

  /** The conjunction for a place; all places from `prefix` on are alike. */
  at(i: number): Conjunction {
    const parts = this.#nodes.flatMap((node): SchemaNode[] => {
      const schema = node.schema as SchemaObject; // of an object: it was taken apart
      const prefix = (own(schema, 'prefixItems') ?? []) as readonly Schema[];
      if (i < prefix.length) return [this.#maker.part(node, prefix[i], 'prefixItems', i)];
      const items = own(schema, 'items');
      return items === undefined ? [] : [this.#maker.part(node, items, 'items')];
    });
    return conjunction(parts);
  }
}

/** Prefix places one by one, then any number of others. */
function listed(items: Items, min: number, max: number, maker: ValueMaker): Expression {
  const { rules } = maker;
  const comma = rules.after(',');
  const { prefix } = items;
  const restNodes = items.at(prefix);
  const hasRest = !isNever(restNodes) && max > prefix;
  const rest = hasRest ? maker.value(restNodes) : never;
  const [due, left] = [Math.max(0, min - prefix), hasRest ? max - prefix : 0];
  let tail = counted(sequence(comma, rest), due, left);
  if (prefix === 0) {
    const some =
      left === 0 ? never : sequence(rest, counted(sequence(comma, rest), Math.max(0, due - 1), left - 1));
    return due === 0 ? choice(empty, some) : some;
  }
  for (let i = prefix - 1; i >= 0; i--) {
    const stop = i >= min ? empty : never;
    const item = items.at(i);
    const on = i < max && !isNever(item) ? sequence(i > 0 ? comma : empty, maker.value(item), tail) : never;
    tail = rules.add(choice(stop, on));
  }
  return tail;
}

function counted(part: Expression, min: number, max: number): Expression {
  if (min > max) return never;
  return max === 0 ? empty : repeat(part, min, max);
}

interface Contained {
  readonly node: SchemaNode;
  readonly least: number;
  readonly most: number;
}

function containedIn(nodes: Conjunction): Contained | undefined {
  const found = allOf(nodes, 'contains');
  if (found.length > 1)
    refuse(found[1]!.place, 'two of them on one array cannot be honoured.', 'ask for one');
  const node = nodes.find(({ schema }) => own(schema as SchemaObject, 'contains') !== undefined);
  if (node === undefined) return undefined;
  const schema = node.schema as SchemaObject;
  const least = (own(schema, 'minContains') ?? 1) as number; // checked
  const most = (own(schema, 'maxContains') ?? Infinity) as number;
  return least === 0 && most === Infinity ? undefined : { node, least, most };
}

/**
 * Items of which some are counted: a rule for each number of items and of those
 * contained, as far as either matters. Where there is an upper limit, items that
 * are not counted must not fit.
 */
function containing(
  items: Items,
  { node, least, most }: Contained,
  size: { min: number; max: number },
  maker: ValueMaker,
): Expression {
  const { rules } = maker;
  const place = { path: node.path, keyword: 'contains' };
  const wanted = maker.part(node, own(node.schema as SchemaObject, 'contains'), 'contains');
  const sizeMatters = Math.max(size.min, size.max === Infinity ? 0 : size.max, items.prefix);
  const countMatters = most === Infinity ? least : most;
  if (sizeMatters > MOST_COUNTED || countMatters > MOST_COUNTED) {
    refuse(
      place,
      `items beside it are counted up to ${MOST_COUNTED}.`,
      'lower minItems, maxItems or minContains',
    );
  }
  const last = Math.max(1, sizeMatters); // sizes from here on are alike
  const known = new Map<string, Expression>();
  const at = (count: number, held: number): Expression => {
    const key = `${count} ${held}`;
    const before = known.get(key);
    if (before) return before;
    const { expression, define } = rules.promise();
    known.set(key, expression);
    waiting.push(() => {
      const isEnd = count >= size.min && held >= least;
      const then = Math.min(count + 1, last);
      const nodes = items.at(count);
      const comma = count > 0 ? rules.after(',') : empty;
      const fitting =
        held < most
          ? sequence(
              comma,
              maker.value(conjunction([...nodes, wanted])),
              at(then, Math.min(held + 1, countMatters)),
            )
          : never;
      const others = most === Infinity ? nodes : conjunction([...nodes, maker.not(wanted)]);
      const plain = sequence(comma, maker.value(others), at(then, held));
      const mayGrow = count < size.max;
      define(choice(isEnd ? empty : never, ...(mayGrow ? [fitting, plain] : [])));
    });
    return expression;
  };
  const waiting: (() => void)[] = [];
  const whole = at(0, 0);
  for (let job = waiting.pop(); job !== undefined; job = waiting.pop()) job();
  return whole;
}

function leastItems(nodes: Conjunction): number {
  const none = allOf<readonly unknown[]>(nodes, made.notValues).flatMap((found) =>
    found.value
      .filter(Array.isArray)
      .map((value) => ({ value: value as readonly unknown[], place: found.place })),
  );
  for (const { value, place } of none) {
    if (value.length > 0)
      refuse({ path: place.path }, 'that arrays are not a certain one cannot be honoured.');
  }
  return Math.max(atLeast(nodes, 'minItems'), none.length > 0 ? 1 : 0);
}

function refuseRepeats(nodes: Conjunction, max: number): void {
  if (max <= 1) return;
  for (const { value, place } of allOf<boolean>(nodes, 'uniqueItems')) {
    if (value)
      refuse(
        place,
        'items that differ from all others cannot be honoured.',
        'leave it out, and look at the result',
      );
  }
}
