import { fail } from '@cria/tensor';

/**
 * Fields of a `config.json`, read with what they must be; every message names file, field and
 * value.
 */
export type Fields = Readonly<Record<string, unknown>>;

const op = 'config.json';

export function checkRecord(file: string, what: string, value: unknown): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    fail(op, `${file}: ${what} is ${show(value)}.`, 'it must be an object');
  return value as Fields;
}

export function wholeNumber(file: string, fields: Fields, name: string, absent?: number, least = 1): number {
  const value = fields[name] ?? absent;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least) {
    fail(op, `${file}: ${name} is ${show(value)}.`, `it must be a whole number from ${least}`);
  }
  return value;
}

export function positive(file: string, fields: Fields, name: string, absent?: number): number {
  const value = fields[name] ?? absent;
  if (typeof value !== 'number' || !(Number.isFinite(value) && value > 0))
    fail(op, `${file}: ${name} is ${show(value)}.`, 'it must be a number above 0');
  return value;
}

export function flag(file: string, fields: Fields, name: string, absent: boolean): boolean {
  const value = fields[name] ?? absent;
  if (typeof value !== 'boolean') fail(op, `${file}: ${name} is ${show(value)}.`, 'it must be true or false');
  return value;
}

export function show(value: unknown): string {
  return value === undefined ? 'missing' : JSON.stringify(value).slice(0, 120);
}
