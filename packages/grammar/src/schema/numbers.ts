import { combine, type Dfa } from '../automata/dfa.ts';
import { explore } from '../automata/explore.ts';
import { determinise } from '../automata/nfa.ts';
import type { Budget } from '../budget.ts';
import { refuse } from '../errors.ts';
import { parseRegex } from '../regex/parse.ts';
import type { SchemaNode } from './document.ts';
import { allOf, made, typesOf } from './keywords.ts';
import { decimalOf } from './json.ts';

/**
 * A number that nothing is said about: up to 20 digits before and after the point,
 * two of an exponent, so that it ends and is finite.
 */
const FREE = '-?(?:0|[1-9][0-9]{0,19})(?:\\.[0-9]{1,20})?(?:[eE][+-]?[0-9]{1,2})?';
const FREE_INTEGER = '-?(?:0|[1-9][0-9]{0,19})';

/**
 * Digits of a number that must be compared: any two such decimals are different
 * doubles.
 */
const DIGITS = 15;
const PLAIN = `-?(?:0|[1-9][0-9]{0,${DIGITS - 1}})(?:\\.[0-9]{1,${DIGITS - 1}})?`;
const PLAIN_INTEGER = `-?(?:0|[1-9][0-9]{0,${DIGITS - 1}})`;
/** A zero below zero is equal to zero, and would be compared as less. */
const MINUS_ZERO = '-0(?:\\.0+)?';
const WHOLE = '-?[0-9]+(?:\\.0+)?';

const numerals = [...'-.0123456789'].map((each) => each.charCodeAt(0));
const POINT = 0x2e;
const MINUS = 0x2d;
const ZERO = 0x30;

const keywords = [
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  made.notValues,
  made.fraction,
];

/**
 * The numbers of a conjunction, as text. Those that are compared are written
 * without exponents, of up to 15 digits.
 */
export function numberDfa(nodes: readonly SchemaNode[], budget: Budget): Dfa {
  const { isInteger } = typesOf(nodes);
  const regular = (source: string) => determinise(parseRegex(source, budget), 'utf8', budget);
  if (keywords.every((keyword) => allOf(nodes, keyword).length === 0)) {
    return regular(isInteger ? FREE_INTEGER : FREE);
  }
  let dfa = regular(isInteger ? PLAIN_INTEGER : PLAIN);
  const keep = (other: Dfa) => (dfa = combine(dfa, other, 'and', budget));
  const drop = (other: Dfa) => (dfa = combine(dfa, other, 'minus', budget));
  drop(regular(MINUS_ZERO));
  if (!isInteger) keep(fewDigits(budget));
  for (const bound of boundsOf(nodes)) keep(comparison(bound, budget));
  for (const { value, place } of allOf<number>(nodes, 'multipleOf')) {
    const { digits, scale } = decimalOf(value);
    if (digits > 20_000n || scale > DIGITS) {
      refuse(
        { ...place },
        `multiples of ${value} take too large an automaton.`,
        'a step of up to 20,000 fits',
      );
    }
    keep(multiples(Number(digits), scale, budget));
  }
  if (allOf(nodes, made.fraction).length > 0) drop(regular(WHOLE));
  for (const { value } of allOf<readonly unknown[]>(nodes, made.notValues)) {
    for (const each of value) if (typeof each === 'number') drop(regular(textsOf(each)));
  }
  return dfa;
}

/** Every plain text of one number. */
function textsOf(value: number): string {
  const { digits, scale } = decimalOf(value);
  const size = (digits < 0n ? -digits : digits).toString().padStart(scale + 1, '0');
  const whole = size.slice(0, size.length - scale);
  const sign = digits < 0n ? '-' : '';
  return scale === 0 ? `${sign}${whole}(?:\\.0+)?` : `${sign}${whole}\\.${size.slice(-scale)}0*`;
}

function fewDigits(budget: Budget): Dfa {
  const step = (state: string, byte: number) => {
    const count = Number(state) + (byte >= ZERO ? 1 : 0);
    return count > DIGITS ? undefined : String(count);
  };
  return explore({ start: '0', alphabet: numerals, step, accept: () => true }, budget);
}

interface Bound {
  readonly value: number;
  /** Which side of it numbers are on. */
  readonly side: 'above' | 'below';
  /** Whether the bound itself is one of them. */
  readonly inclusive: boolean;
}

function boundsOf(nodes: readonly SchemaNode[]): Bound[] {
  const kinds = [
    ['minimum', 'above', true],
    ['exclusiveMinimum', 'above', false],
    ['maximum', 'below', true],
    ['exclusiveMaximum', 'below', false],
  ] as const;
  return kinds.flatMap(([keyword, side, inclusive]) =>
    allOf<number>(nodes, keyword).flatMap(({ value, place }) => {
      const isBeyond = Math.abs(value) >= 10 ** DIGITS;
      const leavesNone = side === 'above' ? value > 0 : value < 0;
      if (isBeyond && leavesNone)
        refuse(place, `${value} takes more than ${DIGITS} digits.`, 'use smaller numbers');
      return isBeyond ? [] : [{ value, side, inclusive }];
    }),
  );
}

/** How the digits so far compare with the bound's. */
type Order = '<' | '=' | '>';

/**
 * Texts of numbers on one side of a bound. A state is the sign, the phase, the
 * digits read of it, and how they compare: numbers of more digits before the point
 * are larger, those of as many are as their first digit that differs.
 */
function comparison({ value, side, inclusive }: Bound, budget: Budget): Dfa {
  const { digits, scale } = decimalOf(value);
  const isNegative = digits < 0n;
  const size = (isNegative ? -digits : digits).toString().padStart(scale + 1, '0');
  const whole = size.slice(0, size.length - scale);
  const fraction = scale === 0 ? '' : size.slice(-scale);
  const compare = (digit: number, other: string | undefined): Order => {
    const wanted = ZERO + Number(other ?? 0);
    return digit === wanted ? '=' : digit < wanted ? '<' : '>';
  };
  const step = (state: string, byte: number): string | undefined => {
    const [sign, phase, count, order] = state.split(' ') as [string, string, string, Order];
    const at = Number(count);
    if (byte === MINUS) return state === '+ w 0 =' ? '- w 0 =' : undefined;
    if (byte === POINT)
      return phase === 'w' ? `${sign} f 0 ${withLength(at, whole.length, order)}` : undefined;
    const other = phase === 'w' ? whole[at] : fraction[at];
    const then = order === '=' ? compare(byte, other) : order;
    const most = phase === 'w' ? whole.length + 1 : fraction.length;
    return `${sign} ${phase} ${Math.min(at + 1, most)} ${then}`;
  };
  const accept = (state: string): boolean => {
    const [sign, phase, count, order] = state.split(' ') as [string, string, string, Order];
    const at = Number(count);
    let magnitude = phase === 'w' ? withLength(at, whole.length, order) : order;
    const read = phase === 'w' ? 0 : at;
    if (magnitude === '=' && /[1-9]/.test(fraction.slice(read))) magnitude = '<';
    const total = signed(sign === '-', isNegative, magnitude);
    return total === '=' ? inclusive : total === (side === 'above' ? '>' : '<');
  };
  return explore({ start: '+ w 0 =', alphabet: numerals, step, accept }, budget);
}

function withLength(count: number, wanted: number, order: Order): Order {
  if (count === wanted) return order;
  return count < wanted ? '<' : '>';
}

/**
 * How numbers compare whose sizes do. Zero has no sign here: −0 is no text of these
 * numbers.
 */
function signed(isNegative: boolean, boundIsNegative: boolean, magnitude: Order): Order {
  if (isNegative !== boundIsNegative) return isNegative ? '<' : '>';
  if (!isNegative || magnitude === '=') return magnitude;
  return magnitude === '<' ? '>' : '<';
}

/**
 * Texts of whole multiples of step · 10^−scale: the digits as a number modulo the
 * step.
 */
function multiples(step: number, scale: number, budget: Budget): Dfa {
  const next = (state: string, byte: number): string | undefined => {
    const [rest, places] = state.split(' ').map(Number) as [number, number]; // places: −1 before the point
    if (byte === MINUS) return state;
    if (byte === POINT) return places < 0 ? `${rest} 0` : undefined;
    if (places === scale) return byte === ZERO ? state : undefined;
    return `${(rest * 10 + byte - ZERO) % step} ${places < 0 ? -1 : places + 1}`;
  };
  const accept = (state: string): boolean => {
    const [rest, places] = state.split(' ').map(Number) as [number, number];
    let value = rest;
    for (let i = Math.max(0, places); i < scale; i++) value = (value * 10) % step;
    return value === 0;
  };
  return explore({ start: '0 -1', alphabet: numerals, step: next, accept }, budget);
}
