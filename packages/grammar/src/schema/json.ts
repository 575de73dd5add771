import { isObject } from './document.ts';

/** JSON with sorted keys: equal texts are equal values. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (!isObject(value)) return JSON.stringify(value === 0 ? 0 : value); // −0 is 0
  const keys = Object.keys(value).sort();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join()}}`;
}

/** Characters, not UTF-16 units. */
export function lengthOf(string: string): number {
  let length = 0;
  for (const _ of string) length++;
  return length;
}

/** A decimal: digits · 10^−scale. */
export interface Decimal {
  readonly digits: bigint;
  readonly scale: number;
}

/**
 * Exactly what the shortest text of a number says; without zeros at the end of the
 * digits.
 */
export function decimalOf(value: number): Decimal {
  const [mantissa = '0', exponent = '0'] = String(value).split('e');
  const [whole = '0', fraction = ''] = mantissa.split('.');
  let digits = BigInt(whole + fraction);
  if (whole.startsWith('-') && digits > 0n) digits = -digits;
  let scale = fraction.length - Number(exponent);
  while (scale > 0 && digits % 10n === 0n) {
    digits /= 10n;
    scale--;
  }
  return scale < 0 ? { digits: digits * 10n ** BigInt(-scale), scale: 0 } : { digits, scale };
}

/**
 * Whether a is a whole number of times b, in decimals and not in floating point.
 */
export function isMultiple(value: number, of: number): boolean {
  const [a, b] = [decimalOf(value), decimalOf(of)];
  const scale = Math.max(a.scale, b.scale);
  return (a.digits * 10n ** BigInt(scale - a.scale)) % (b.digits * 10n ** BigInt(scale - b.scale)) === 0n;
}
