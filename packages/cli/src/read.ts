import { parseArgs } from 'node:util';
import { fail, nearestName } from '@cria/tensor';
import { checkName, checkNumber } from './check.ts';
import { placeholder } from './help.ts';
import type { Option, Options, Values } from './option.ts';

/**
 * Options and the words between them; `help` where `--help` or `-h` is among them, whatever else is
 * wrong with the required ones. Throws a `CriaError` of `op` for an unknown option, with the
 * nearest one, for a value of another type or out of bounds, and for a required option that is
 * missing.
 *
 * @param refuseWord for a program that takes no words: told about the first one, before anything is missed.
 */
export function readOptions<const Table extends Options>(
  op: string,
  args: readonly string[],
  table: Table,
  refuseWord?: (word: string) => never,
): { readonly values: Values<Table>; readonly words: readonly string[] } | 'help' {
  const known: Options = { ...table, help: { takes: 'nothing', help: '' } };
  const forNode = Object.entries(known).map(([name, { takes }]) => {
    const type: 'boolean' | 'string' = takes === 'nothing' ? 'boolean' : 'string';
    return [name, name === 'help' ? { type, short: 'h' } : { type }] as const;
  });
  const options = Object.fromEntries(forNode);
  // Node's own strict mode knows neither the nearest name nor the placeholder of a missing value.
  const { tokens } = parseArgs({
    args: [...args],
    options,
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  const words: string[] = [];
  const given = new Map<string, unknown[]>();
  for (const token of tokens) {
    if (token.kind === 'positional') {
      refuseWord?.(token.value);
      words.push(token.value);
    }
    if (token.kind !== 'option') continue;
    const option = Object.hasOwn(known, token.name) ? known[token.name] : undefined;
    if (!option) {
      const nearest = nearestName(token.name, Object.keys(known));
      const hint = nearest ? `did you mean --${nearest}?` : `${op} --help lists all flags`;
      return fail(op, `unknown flag ${token.rawName}.`, hint);
    }
    const before = option.multiple ? (given.get(token.name) ?? []) : []; // of others the last one counts
    given.set(token.name, [...before, valueOf(op, option, token)]);
  }
  if (given.has('help')) return 'help';
  return { values: valuesOf(op, table, given), words };
}

interface Token {
  readonly name: string;
  readonly rawName: string;
  readonly value: string | undefined;
  readonly inlineValue: boolean | undefined;
}

function valueOf(op: string, option: Option, { name, rawName, value, inlineValue }: Token): unknown {
  const { takes } = option;
  if (takes === 'nothing') {
    if (value !== undefined) fail(op, `${rawName} takes no value, but was given "${value}".`);
    return true;
  }
  // `--model --port 1` forgot the model: no value begins with two dashes unless it is joined by `=`.
  if (value === undefined || (!inlineValue && /^--[a-z]/.test(value)))
    return fail(op, `${rawName} needs a value.`, `write ${rawName} ${placeholder(option)}`);
  if (takes === 'text') return value;
  if (takes === 'number' || takes === 'whole') return checkNumber(op, `--${name}`, value, option);
  return checkName(op, `--${name}`, value, takes);
}

/** Given values and defaults. */
function valuesOf<Table extends Options>(
  op: string,
  table: Table,
  given: ReadonlyMap<string, readonly unknown[]>,
): Values<Table> {
  const values: Record<string, unknown> = {};
  for (const [name, option] of Object.entries<Option>(table)) {
    const found = given.get(name);
    if (found === undefined && option.required !== undefined)
      fail(op, `--${name} is missing.`, option.required);
    const value = option.multiple ? found : (found?.at(-1) ?? option.default);
    if (value !== undefined) values[name] = value;
  }
  return values as Values<Table>; // each was read by what its option takes
}
