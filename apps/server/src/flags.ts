import { deviceChoice, deviceChoices } from '@cria/devices';
import { parseArgs } from 'node:util';
import { type CacheDType, cacheDTypes } from '@cria/inference';
import { fail, nearestName } from '@cria/tensor';
import type { ServerOptions } from './server.ts';

interface Flag {
  /** What stands for the value in the help; absent for a flag without one. */
  readonly value?: string;
  readonly help: string;
}

const flags = {
  model: {
    value: 'PATH',
    help: 'run folder, training state, Hugging Face folder, GGUF or llama2.c file (required)',
  },
  tokenizer: { value: 'FILE', help: 'tokenizer, where it does not lie beside the model' },
  port: { value: 'N', help: 'port to listen on; 0 takes a free one (8080)' },
  host: { value: 'HOST', help: 'address to listen on; 0.0.0.0 for every one (127.0.0.1)' },
  device: { value: 'NAME', help: `${deviceChoices.join(', ')} (auto: the fastest that works here)` },
  threads: { value: 'N', help: 'threads that compute (one a core)' },
  'no-mmap': { help: 'read the weights instead of mapping their files, which others may cut meanwhile' },
  'max-sequences': { value: 'N', help: 'texts made together (16)' },
  'max-waiting': { value: 'N', help: 'texts that may wait; more get 429 (256)' },
  'max-batch-rows': { value: 'N', help: 'tokens in one pass through the model (256)' },
  'cache-mib': { value: 'N', help: 'size of the key/value cache (1024, or less where less is enough)' },
  'cache-dtype': {
    value: 'NAME',
    help: 'how the cache stores keys and values: f32, bf16, f16 or q8_0 (bf16); less is faster and holds more',
  },
  'drain-seconds': { value: 'N', help: 'time that running texts get at SIGTERM (30)' },
  help: { help: 'this text' },
} as const satisfies Readonly<Record<string, Flag>>;

type FlagName = keyof typeof flags;
const OP = 'cria-server';

/** What the command line asks for; `help` for --help. @throws CriaError for unknown flags, with the nearest, and for bad values */
export function parseFlags(args: readonly string[]): ServerOptions | 'help' {
  const values = readFlags(args);
  if ('help' in values) return 'help';
  const { model, tokenizer, host, device } = values;
  if (model === undefined)
    fail(OP, '--model is missing.', 'give the path of a model; --help lists all flags');
  const whole = (name: FlagName, low: number, high: number) => wholeNumber(values, name, low, high);
  const cacheMib = whole('cache-mib', 1, 2 ** 30);
  const options: { [Name in keyof ServerOptions]?: ServerOptions[Name] | undefined } = {
    tokenizer,
    host,
    device: device === undefined ? undefined : deviceChoice(OP, '--device', device),
    port: whole('port', 0, 65535),
    threads: whole('threads', 1, 256),
    mmap: 'no-mmap' in values ? false : undefined,
    maxSequences: whole('max-sequences', 1, 4096),
    maxWaiting: whole('max-waiting', 0, 1_000_000),
    maxBatchRows: whole('max-batch-rows', 1, 65536),
    memory: cacheMib === undefined ? undefined : cacheMib * 2 ** 20,
    cacheDType: cacheDType(values['cache-dtype']),
    drainSeconds: whole('drain-seconds', 0, 86400),
  };
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  return { model, ...given };
}

export function helpText(): string {
  const rows = Object.entries(flags).map(
    ([name, flag]: [string, Flag]) => [`--${name}${flag.value ? ` ${flag.value}` : ''}`, flag.help] as const,
  );
  const width = Math.max(...rows.map(([left]) => left.length));
  const lines = rows.map(([left, help]) => `  ${left.padEnd(width)}  ${help}`);
  return `cria-server serves a LLaMA over HTTP: completions as OpenAI shapes them, and a page to try it.\n\n  cria-server --model PATH [flags]\n\n${lines.join('\n')}\n`;
}

function readFlags(args: readonly string[]): Partial<Record<FlagName, string>> {
  const options = Object.fromEntries(
    Object.entries(flags).map(([name, flag]: [string, Flag]) => [
      name,
      { type: flag.value ? ('string' as const) : ('boolean' as const) },
    ]),
  );
  const { tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true });
  const values: Partial<Record<FlagName, string>> = {};
  for (const token of tokens) {
    if (token.kind === 'positional')
      fail(OP, `"${token.value}" is not a flag.`, `write --model ${token.value} if it is the model`);
    if (token.kind === 'option') values[knownName(token.name, token.rawName)] = checkValue(token);
  }
  return values;
}

function knownName(name: string, raw: string): FlagName {
  if (Object.hasOwn(flags, name)) return name as FlagName; // it is one of the keys
  const nearest = nearestName(name, Object.keys(flags));
  return fail(OP, `unknown flag ${raw}.`, nearest ? `did you mean --${nearest}?` : '--help lists all flags');
}

function checkValue(token: {
  name: string;
  rawName: string;
  value: string | undefined;
  inlineValue: boolean | undefined;
}): string {
  const { value }: Flag = flags[token.name as FlagName]; // knownName was called
  if (!value && token.value !== undefined)
    fail(OP, `${token.rawName} takes no value, but was given "${token.value}".`);
  if (
    value &&
    (token.value === undefined || token.value === '' || (!token.inlineValue && token.value.startsWith('--')))
  ) {
    fail(OP, `${token.rawName} needs a value.`, `write ${token.rawName} ${value}`);
  }
  return token.value ?? '';
}

function wholeNumber(
  values: Partial<Record<FlagName, string>>,
  name: FlagName,
  low: number,
  high: number,
): number | undefined {
  const text = values[name];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= low && value <= high) return value;
  return fail(OP, `--${name} is "${text}".`, `give a whole number from ${low} to ${high}`);
}

function cacheDType(name: string | undefined): CacheDType | undefined {
  if (name === undefined) return undefined;
  return (
    cacheDTypes.find((known) => known === name) ??
    fail(OP, `--cache-dtype is "${name}".`, `give ${cacheDTypes.join(', ')}`)
  );
}
