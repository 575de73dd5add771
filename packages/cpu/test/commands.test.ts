import { describe, expect, test } from 'vitest';
import { commands as table } from '../commands.mjs';
import { layout, stale } from '../scripts/generate-commands.mjs';
import { checkSources } from '../src/check-sources.ts';
import { SingleCommand } from '../src/command-list.ts';
import * as generated from '../src/generated/commands.ts';
import { loadNative, type Native } from '../src/native.ts';
import { fingerprintOf } from '../src/sources.ts';

type Encoder = (list: SingleCommand, given: Record<string, unknown>, dtype?: number) => void;
const encoders = generated as unknown as Readonly<Record<string, Encoder>>; // by name, as a table has them

test('the generated files are what the table says', () => {
  expect(stale()).toEqual([]);
});

test('operations are those of the kernels, in one order', () => {
  expect(generated.operations).toEqual(Object.keys(table));
  expect(Object.values(generated.codes)).toEqual(generated.operations.map((_, code) => code));
  const { native } = loadNative();
  if (native) expect(native.operations).toEqual(generated.operations);
});

describe.each(Object.entries(table))('%s', (name, { fields }) => {
  test('lies in the list as the table says', () => {
    const given: Record<string, unknown> = {};
    const expected: number[] = [];
    let next = 1;
    for (const [field, { kind }] of Object.entries(fields)) {
      if (kind === 'numbers') {
        given[field] = [3, 1, 4];
        expected.push(3, 1, 4);
        continue;
      }
      if (kind === 'tensor') expected.push(next, next + 1);
      else expected.push(kind === 'flag' ? 1 : next);
      given[field] = kind === 'tensor' ? { storage: next, offset: next + 1 } : kind === 'flag' ? true : next;
      next += 2;
    }
    const list = new SingleCommand();
    encoders[name]!(list, given, 2);
    const code = Object.keys(table).indexOf(name) + 2 * Object.keys(table).length;
    expect([...list.numbers]).toEqual([code, expected.length + 2, ...expected]);
    const positions = Object.values(generated.positionOf[name as generated.Operation]);
    expect(positions.map((position) => list.numbers[position])).toEqual(
      Object.values(given).map((value) =>
        typeof value === 'object' ? Object.values(value!)[0] : Number(value),
      ),
    );
  });

  test('has nothing where an optional tensor is not given', () => {
    const optional = Object.keys(fields).filter((field) => fields[field]?.optional);
    const given = Object.fromEntries(
      Object.entries(fields).map(([field, { kind }]) => [
        field,
        optional.includes(field)
          ? undefined
          : kind === 'numbers'
            ? []
            : kind === 'tensor'
              ? { storage: 7, offset: 8 }
              : 9,
      ]),
    );
    const list = new SingleCommand();
    encoders[name]!(list, given);
    const at: Readonly<Record<string, number>> = generated.positionOf[name as generated.Operation];
    for (const field of optional)
      expect([...list.numbers.subarray(at[field], at[field]! + 2)]).toEqual([0, 0]);
  });
});

test('kernels that read another layout are refused', () => {
  const native = { sources: fingerprintOf('native'), layout: layout() } as Native;
  expect(() => checkSources('native', native, 'a file', 'build')).not.toThrow();
  for (const other of ['0123456789abcdef', undefined])
    expect(() => checkSources('native', { ...native, layout: other }, 'a file', 'build')).toThrow(
      `a file reads commands in another layout (${other ?? 'unknown'}) than this TypeScript writes (${layout()}).`,
    );
});
