import { helpLines, type Options, readOptions } from '@cria/cli';
import { deviceChoices } from '@cria/devices';
import { fail } from '@cria/tensor';
import { engineFlags, readEngineFlags } from './engine-options.ts';
import { type Log, noLog } from './observe/log.ts';
import { bounds, type ServerOptions } from './server-options.ts';

const whole = ([from, to]: readonly [number, number]) => ({ takes: 'whole', from, to }) as const;

const flags = {
  model: {
    takes: 'text',
    value: 'PATH',
    help: 'run folder, training state, Hugging Face folder, GGUF or llama2.c file',
    required: 'give the path of a model; --help lists all flags',
  },
  tokenizer: { takes: 'text', value: 'FILE', help: 'tokenizer, where it does not lie beside the model' },
  port: { ...whole(bounds.port), help: 'port to listen on; 0 takes a free one', otherwise: '8080' },
  host: {
    takes: 'text',
    value: 'HOST',
    help: 'address to listen on; 0.0.0.0 for every one',
    otherwise: '127.0.0.1',
  },
  device: { takes: deviceChoices, help: 'where to compute', otherwise: 'auto: the fastest that works here' },
  threads: { ...whole(bounds.threads), help: 'threads that compute', otherwise: 'one a core' },
  'no-mmap': {
    takes: 'nothing',
    help: 'read the weights instead of mapping their files, which others may cut meanwhile',
  },
} as const satisfies Options;

const late = {
  strict: { takes: 'nothing', help: 'refuse every field of a request that is not known' },
  'api-key-file': {
    takes: 'text',
    value: 'FILE',
    help: 'keys that clients must show, one a line',
    otherwise: 'no keys',
  },
  'cors-origin': {
    takes: 'text',
    value: 'ORIGINS',
    help: 'web sites that browsers may let in, with commas between; * for all',
    otherwise: 'none',
  },
  'tls-key': { takes: 'text', value: 'FILE', help: 'PEM file of a key: speak TLS' },
  'tls-cert': { takes: 'text', value: 'FILE', help: 'PEM file of its certificate' },
  log: { takes: 'nothing', help: 'a line of JSON on stderr for every answer, without texts' },
  'drain-seconds': {
    ...whole(bounds.drainSeconds),
    help: 'time that running texts get at SIGTERM',
    otherwise: '30',
  },
} as const satisfies Options;

const all = { ...flags, ...engineFlags, ...late };
const OP = 'cria-server';

/**
 * What the command line asks for; `help` for --help. @throws CriaError for unknown flags, with the
 * nearest, and for bad values. `log`: where --log writes
 */
export function parseFlags(args: readonly string[], log: Log = noLog): ServerOptions | 'help' {
  const read = readOptions(OP, args, all, (word) =>
    fail(OP, `"${word}" is not a flag.`, `write --model ${word} if it is the model`),
  );
  if (read === 'help') return 'help';
  const { values } = read;
  const { model, tokenizer, host, device, port, threads } = values;
  const options: { [Name in keyof ServerOptions]?: ServerOptions[Name] | undefined } = {
    tokenizer,
    host,
    device,
    port,
    threads,
    mmap: values['no-mmap'] ? false : undefined,
    drainSeconds: values['drain-seconds'],
    strict: values.strict ? true : undefined,
    apiKeyFile: values['api-key-file'],
    corsOrigins: values['cors-origin']?.split(','),
    tlsKey: values['tls-key'],
    tlsCert: values['tls-cert'],
    log: values.log ? log : undefined,
  };
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  return { model, ...given, ...readEngineFlags(values) };
}

export function helpText(): string {
  return `cria-server serves a LLaMA over HTTP: completions as OpenAI shapes them, and a page to try it.

  cria-server --model PATH [flags]

${helpLines(all)}`;
}
