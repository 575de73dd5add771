import { fail, nearestName } from '@cria/tensor';
import type { Option } from './option.ts';

/** A number from a text, within the bounds of its option. Throws a `CriaError` that names it. */
export function checkNumber(
  op: string,
  name: string,
  text: string,
  { takes, from, to }: Pick<Option, 'takes' | 'from' | 'to'>,
): number {
  const value = text.trim() === '' ? NaN : Number(text);
  const whole = takes === 'whole';
  const most = to ?? (whole ? Number.MAX_SAFE_INTEGER : Infinity);
  const fits = whole ? Number.isInteger(value) : Number.isFinite(value);
  if (fits && value >= (from ?? -Infinity) && value <= most) return value;
  const range = [
    whole ? 'a whole number' : 'a number',
    ...(from === undefined ? [] : [`from ${from}`]),
    ...(to === undefined && !(value > most) ? [] : [`to ${most}`]),
  ];
  return fail(op, `${name} is "${text}".`, `give ${range.join(' ')}`);
}

/** One of some names. Throws a `CriaError` with all of them, the nearest one first. */
export function checkName<const Name extends string>(
  op: string,
  name: string,
  text: string,
  known: readonly Name[],
): Name {
  const nearest = nearestName(text, known);
  return (
    known.find((each) => each === text) ??
    fail(
      op,
      `${name} is "${text}".`,
      `${nearest === undefined ? '' : `did you mean ${nearest}? `}give ${known.join(', ')}`,
    )
  );
}
