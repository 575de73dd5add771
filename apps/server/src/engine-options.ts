import { type CacheDType, cacheDTypes, type EngineOptions } from '@cria/inference';
import type { Option } from '@cria/cli';
import { fail } from '@cria/tensor';

/** What whoever starts a server may say of its engine. A new option is a field here and a row of the table below. */
export interface EngineLimits {
  /** Texts that are made together; default 16. */
  readonly maxSequences: number;
  /** Texts that may wait for their turn; more are refused with 429. Default 256. */
  readonly maxWaiting: number;
  /** Tokens of all texts that wait; a text beyond is refused with 429. Default any number. */
  readonly maxWaitingTokens?: number;
  /** Seconds that a text waits for its turn before it is given up with 503. Default any number. */
  readonly queueSeconds?: number;
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
  /** What the engine chooses, for the help. */
  readonly otherwise?: string;
}

const MIB = 2 ** 20;

/** From this table come the flags, the defaults, the checks of `startServer`, and what the engine's thread is told. */
const table: { readonly [Option in keyof EngineLimits]-?: Row<EngineLimits[Option]> } = {
  maxSequences: {
    flag: 'max-sequences',
    help: 'texts made together',
    takes: { least: 1, most: 4096 },
    default: 16,
  },
  maxWaiting: {
    flag: 'max-waiting',
    help: 'texts that may wait; more get 429',
    takes: { least: 0, most: 1_000_000 },
    default: 256,
  },
  maxWaitingTokens: {
    flag: 'max-waiting-tokens',
    help: 'tokens of texts that wait; more get 429',
    otherwise: 'any number',
    takes: { least: 1, most: 2 ** 31 },
  },
  queueSeconds: {
    flag: 'queue-seconds',
    help: 'seconds that a text may wait; then it gets 503',
    otherwise: 'any number',
    takes: { least: 1, most: 86_400 },
  },
  maxBatchRows: {
    flag: 'max-batch-rows',
    help: 'tokens in one pass through the model',
    takes: { least: 1, most: 65536 },
    default: 256,
  },
  memory: {
    flag: 'cache-mib',
    help: 'size of the key/value cache',
    otherwise: '1024, or less where less is enough',
    takes: { least: 1, most: 2 ** 30, unit: MIB },
  },
  cacheDType: {
    flag: 'cache-dtype',
    help: 'how the cache stores keys and values; less is faster and holds more',
    takes: { names: cacheDTypes },
    default: 'bf16',
  },
};

const rows = Object.entries(table) as [keyof EngineLimits, Row<number> | Row<CacheDType>][]; // the table's own keys

/** Names of the options, for those who refuse others. */
export const engineOptionNames: readonly string[] = Object.keys(table);

/** The options of the command line, by the names of their flags. */
export const engineFlags: Readonly<Record<string, Option>> = Object.fromEntries(
  rows.map(([, { flag, help, takes, default: standard, otherwise = standard }]) => {
    const kind =
      'names' in takes
        ? { takes: takes.names }
        : ({ takes: 'whole', from: takes.least, to: takes.most } as const);
    return [flag, { ...kind, help, ...(otherwise !== undefined && { otherwise: String(otherwise) }) }];
  }),
);

/** Options by what the flags above were given, which is checked already. */
export function readEngineFlags(given: Readonly<Record<string, unknown>>): Partial<EngineLimits> {
  const read = rows.flatMap(([option, { flag, takes }]) => {
    const value = given[flag];
    const unit = 'names' in takes ? undefined : takes.unit;
    return value === undefined ? [] : [[option, unit === undefined ? value : Number(value) * unit]];
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
