import { parseArgs } from 'node:util';
import { fail, nearestName } from '@cria/tensor';

/** One flag of a command, as it is read and as the help shows it. */
export interface Flag {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  readonly multiple?: boolean;
  /** What stands for the value in the help, as in `--port N`. */
  readonly value?: string;
  readonly help: string;
}

/** The flags of a command by their names, without the dashes. */
export type Flags = Readonly<Record<string, Flag>>;

/**
 * What the flags of a command line say: repeatable ones a list, those without a value `true`;
 * absent where they were not given.
 */
export type Values<F extends Flags> = {
  [K in keyof F]?: F[K]['type'] extends 'boolean'
    ? boolean
    : F[K]['multiple'] extends true
      ? string[]
      : string;
};

/** Flags and the words between them; an unknown flag is refused with the nearest one. */
export function parseFlags<const F extends Flags>(
  verb: string,
  args: readonly string[],
  flags: F,
): { values: Values<F>; words: string[] } {
  const known = { ...flags, help: { type: 'boolean', short: 'h', help: '' } } as Flags;
  const options = Object.fromEntries(
    Object.entries(known).map(([name, { type, short, multiple }]) => [
      name,
      { type, ...(short ? { short } : {}), ...(multiple ? { multiple } : {}) },
    ]),
  );
  const { tokens } = parseArgs({
    args: [...args],
    options,
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  // Node's own strict mode knows neither the nearest name nor the place-holder of a missing value.
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    const flag = known[token.name];
    if (!flag) {
      const nearest = nearestName(token.name, Object.keys(known));
      fail(
        `cria ${verb}`,
        `unknown flag ${token.rawName}.`,
        nearest ? `did you mean --${nearest}?` : `cria ${verb} --help lists the flags`,
      );
    }
    if (
      flag.type === 'string' &&
      (token.value === undefined || (!token.inlineValue && /^--[a-z]/.test(token.value)))
    ) {
      fail(
        `cria ${verb}`,
        `${token.rawName} needs a value.`,
        `write ${token.rawName} ${flag.value ?? 'VALUE'}`,
      );
    }
    if (flag.type === 'boolean' && token.value !== undefined)
      fail(`cria ${verb}`, `${token.rawName} takes no value, but was given "${token.value}".`);
  }
  const { values, positionals } = parseArgs({
    args: [...args],
    options,
    allowPositionals: true,
    strict: false,
  });
  return { values: values as Values<F>, words: positionals };
}

/** A flag's number, in bounds, or a clear refusal. */
export function numberFlag(
  verb: string,
  name: string,
  text: string,
  bounds: { min?: number; max?: number; integer?: boolean } = {},
): number {
  const value = Number(text);
  const { min = -Infinity, max = Infinity, integer = false } = bounds;
  if (
    text.trim() === '' ||
    !Number.isFinite(value) ||
    value < min ||
    value > max ||
    (integer && !Number.isInteger(value))
  ) {
    const range = [
      integer ? 'a whole number' : 'a number',
      ...(min > -Infinity ? [`from ${min}`] : []),
      ...(max < Infinity ? [`to ${max}`] : []),
    ];
    fail(`cria ${verb}`, `--${name} is "${text}".`, `give ${range.join(' ')}`);
  }
  return value;
}

/** The flags of a verb as help lines. */
export function describeFlags(flags: Flags): string {
  const rows = Object.entries(flags).map(
    ([name, flag]) =>
      [
        `${flag.short ? `-${flag.short}, ` : '    '}--${name}${flag.type === 'string' ? ` ${flag.value ?? 'VALUE'}` : ''}`,
        flag.help,
      ] as const,
  );
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, help]) => `  ${left.padEnd(width)}  ${help}`).join('\n');
}
