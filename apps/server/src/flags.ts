import { deviceChoice, deviceChoices } from '@cria/devices';
import { parseArgs } from 'node:util';
import { fail, nearestName } from '@cria/tensor';
import { engineFlags, readEngineFlags, wholeFlag } from './engine-options.ts';
import { bounds, type ServerOptions } from './server-options.ts';

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
  ...engineFlags,
  'drain-seconds': { value: 'N', help: 'time that running texts get at SIGTERM (30)' },
  help: { help: 'this text' },
} as const satisfies Readonly<Record<string, Flag>>;

/** A flag's name, those of the engine included. */
type FlagName = string & keyof typeof flags;
const OP = 'cria-server';

/**
 * What the command line asks for; `help` for --help. @throws CriaError for unknown flags, with the
 * nearest, and for bad values
 */
export function parseFlags(args: readonly string[]): ServerOptions | 'help' {
  const values = readFlags(args);
  if ('help' in values) return 'help';
  const { model, tokenizer, host, device } = values;
  if (model === undefined)
    fail(OP, '--model is missing.', 'give the path of a model; --help lists all flags');
  const whole = (name: FlagName, range: readonly [number, number]) => {
    const text = values[name];
    return text === undefined ? undefined : wholeFlag(OP, name, text, range);
  };
  const options: { [Name in keyof ServerOptions]?: ServerOptions[Name] | undefined } = {
    tokenizer,
    host,
    device: device === undefined ? undefined : deviceChoice(OP, '--device', device),
    port: whole('port', bounds.port),
    threads: whole('threads', bounds.threads),
    mmap: 'no-mmap' in values ? false : undefined,
    drainSeconds: whole('drain-seconds', bounds.drainSeconds),
  };
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  return { model, ...given, ...readEngineFlags(OP, values) };
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
