import { type CacheDType, cacheDTypes, type EngineOptions } from '@cria/inference';
import { fail } from '@cria/tensor';

/** What whoever starts a server may say of its engine. A new option is a field here and a row of the table below. */
export interface EngineLimits {
  /** Texts that are made together; default 16. */
  readonly maxSequences: number;
  /** Texts that may wait for their turn; more are refused with 429. Default 256. */
  readonly maxWaiting: number;
  /** Tokens in one pass through the model; default 256. */
  readonly maxBatchRows: number;
  /** Bytes of the key/value cache; default at most 1 GiB. */
  readonly memory?: number;
  /** How keys and values are kept in the cache; default bf16. */
  readonly cacheDType?: CacheDType;
}

interface Whole {
  readonly least: number;
  readonly most: number;
  /** What one of the flag's units is of the option's. Default 1. */
  readonly unit?: number;
}

interface Name {
  readonly names: readonly string[];
}

interface Row<Value> {
  /** Name on the command line. */
  readonly flag: string;
  readonly help: string;
  readonly takes: Value extends number | undefined ? Whole : Name;
  /** Absent: the engine chooses. */
  readonly default?: Value;
}

const MIB = 2 ** 20;

/** From this table come the flags, the defaults, the checks of `startServer`, and what the engine's thread is told. */
const table: { readonly [Option in keyof EngineLimits]-?: Row<EngineLimits[Option]> } = {
  maxSequences: {
    flag: 'max-sequences',
    help: 'texts made together (16)',
    takes: { least: 1, most: 4096 },
    default: 16,
  },
  maxWaiting: {
    flag: 'max-waiting',
    help: 'texts that may wait; more get 429 (256)',
    takes: { least: 0, most: 1_000_000 },
    default: 256,
  },
  maxBatchRows: {
    flag: 'max-batch-rows',
    help: 'tokens in one pass through the model (256)',
    takes: { least: 1, most: 65536 },
    default: 256,
  },
  memory: {
    flag: 'cache-mib',
    help: 'size of the key/value cache (1024, or less where less is enough)',
    takes: { least: 1, most: 2 ** 30, unit: MIB },
  },
  cacheDType: {
    flag: 'cache-dtype',
    help: `how the cache stores keys and values: ${cacheDTypes.join(', ')} (bf16); less is faster and holds more`,
    takes: { names: cacheDTypes },
    default: 'bf16',
  },
};

const rows = Object.entries(table) as [keyof EngineLimits, Row<number> | Row<CacheDType>][]; // the table's own keys

/** Names of the options, for those who refuse others. */
export const engineOptionNames: readonly string[] = Object.keys(table);

/** The flags of the command line: name, placeholder of the value, help. */
export const engineFlags: Readonly<Record<string, { readonly value: string; readonly help: string }>> =
  Object.fromEntries(
    rows.map(([, { flag, help, takes }]) => [flag, { value: 'names' in takes ? 'NAME' : 'N', help }]),
  );

/** Options that flags ask for. @throws CriaError that names the flag */
export function readEngineFlags(
  op: string,
  given: Readonly<Partial<Record<string, string>>>,
): Partial<EngineLimits> {
  const read = rows.flatMap(([option, { flag, takes }]) => {
    const text = given[flag];
    if (text === undefined) return [];
    if ('names' in takes) return [[option, checked(op, `--${flag}`, text, takes)]];
    return [[option, wholeFlag(op, flag, text, [takes.least, takes.most]) * (takes.unit ?? 1)]];
  });
  return Object.fromEntries(read) as Partial<EngineLimits>;
}

/** Checks the options of a program, and fills in the defaults. @throws CriaError that names the option */
export function resolveEngineLimits(op: string, given: Partial<EngineLimits>): EngineLimits {
  const resolved = rows.flatMap(([option, { takes, default: standard }]) => {
    const value = given[option] ?? standard;
    if (value === undefined) return [];
    // A program says bytes: any number of them, where a flag has whole units.
    const { unit } = 'names' in takes ? { unit: undefined } : takes;
    const range = unit === undefined ? takes : { least: 1, most: Number.MAX_SAFE_INTEGER };
    return [[option, checked(op, option, value, range)]];
  });
  return Object.fromEntries(resolved) as unknown as EngineLimits; // every option with a default has a value
}

/** The part of some settings that the engine takes. */
export function engineOptionsOf(settings: EngineLimits): Pick<EngineOptions, keyof EngineLimits> {
  const given = rows.map(([option]) => [option, settings[option]]).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as Pick<EngineOptions, keyof EngineLimits>;
}

function checked(op: string, name: string, value: unknown, takes: Whole | Name): unknown {
  if ('names' in takes) {
    if (takes.names.some((known) => known === value)) return value;
    return fail(op, `${name} is ${JSON.stringify(value)}.`, `give ${takes.names.join(', ')}`);
  }
  return wholeNumber(op, name, value, takes.least, takes.most);
}

/** A whole number within bounds. @throws CriaError that names it */
export function wholeNumber(op: string, name: string, value: unknown, least: number, most: number): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most)
    return value;
  const shown = typeof value === 'number' ? String(value) : JSON.stringify(value);
  return fail(op, `${name} is ${shown}.`, `give a whole number from ${least} to ${most}`);
}

/** The same of a flag's text. @throws CriaError that names the flag */
export function wholeFlag(
  op: string,
  flag: string,
  text: string,
  [least, most]: readonly [number, number],
): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  return fail(op, `--${flag} is "${text}".`, `give a whole number from ${least} to ${most}`);
}
