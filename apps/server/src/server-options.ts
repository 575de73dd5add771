import type { DeviceChoice } from '@cria/devices';
import { checkOptions, fail } from '@cria/tensor';
import type { EngineFailure } from './engine-client.ts';
import { type EngineLimits, engineOptionNames, resolveEngineLimits, wholeNumber } from './engine-options.ts';
import type { Log } from './observe/log.ts';
import type { EngineFile, EngineSettings, ThreadFile } from './protocol.ts';

export interface ServerOptions extends Partial<EngineLimits> {
  /** Run folder of the trainer, training state, Hugging Face folder, GGUF or llama2.c file. */
  readonly model: string;
  /** Tokenizer file; default the one that lies beside the model. */
  readonly tokenizer?: string;
  /** Default 8080; 0 takes a free one. */
  readonly port?: number;
  /** Default 127.0.0.1, this machine only. */
  readonly host?: string;
  /** `auto` (default) takes the fastest that works here. */
  readonly device?: DeviceChoice;
  /** Threads that compute; default one a core. */
  readonly threads?: number;
  /**
   * Map the files of the weights instead of reading them; default true. A mapped file that is cut
   * ends the process: `false` is for files that others may change in place.
   */
  readonly mmap?: boolean;
  /** Seconds that `close()` gives running texts to end; default 30. */
  readonly drainSeconds?: number;
  /** Called once, when the engine breaks. Requests then get 500; the caller should close the server and end. */
  readonly onFailure?: (failure: EngineFailure) => void;
  /** Called with every fault of the server that a client saw as a bare 500, other than the engine's failure. */
  readonly onError?: (error: unknown) => void;
  /** Refuse every field of a request that is not known, instead of ignoring what means nothing here. Default false. */
  readonly strict?: boolean;
  /** File of API keys, one a line, that clients must show; it is read again when it changes. Default: no keys. */
  readonly apiKeyFile?: string;
  /** Origins of web sites whose scripts browsers may let in; `*` for all. Default none. */
  readonly corsOrigins?: readonly string[];
  /** PEM files of a key and its certificate: the server then speaks TLS alone. Both or neither. */
  readonly tlsKey?: string;
  readonly tlsCert?: string;
  /** Hears a record of every answer, without texts. */
  readonly log?: Log;
  /** Milliseconds of silence in a stream before a comment is sent. Default 10,000. */
  readonly pingInterval?: number;
  /** Where the engine's thread starts; default this package's own file. */
  readonly thread?: EngineFile;
  /** Where the thread with tokenizer and chat template starts; default this package's own file. */
  readonly deskThread?: ThreadFile;
}

const OPTIONS = [
  'model',
  'tokenizer',
  'port',
  'host',
  'device',
  'threads',
  'mmap',
  'drainSeconds',
  'onFailure',
  'onError',
  'strict',
  'apiKeyFile',
  'corsOrigins',
  'tlsKey',
  'tlsCert',
  'log',
  'pingInterval',
  'thread',
  'deskThread',
] as const satisfies readonly (keyof ServerOptions)[];

/** Least and most of the numbers that are not the engine's. (A timer of Node counts to 2^31 milliseconds.) */
export const bounds = {
  port: [0, 65535],
  threads: [1, 256],
  drainSeconds: [0, 86400],
  pingInterval: [1, 86_400_000],
} as const;

/** Refuses what cannot work, before anything is started. @throws CriaError that names the option */
export function checkServerOptions(op: string, options: ServerOptions): void {
  checkOptions(op, options, [...OPTIONS, ...engineOptionNames]);
  for (const name of ['port', 'threads', 'drainSeconds', 'pingInterval'] as const) {
    const [least, most] = bounds[name];
    if (options[name] !== undefined) wholeNumber(op, name, options[name], least, most);
  }
  const [one, other] = [options.tlsKey === undefined, options.tlsCert === undefined];
  if (one !== other)
    fail(op, `${one ? 'tlsKey' : 'tlsCert'} is missing.`, 'TLS needs a key and its certificate');
}

/** What the engine's thread is told. @throws CriaError that names an option it cannot have */
export function engineSettings(op: string, options: ServerOptions): EngineSettings {
  const { model, device = 'auto', tokenizer, threads, mmap } = options;
  return {
    model,
    device,
    ...resolveEngineLimits(op, options),
    ...(tokenizer !== undefined && { tokenizer }),
    ...(threads !== undefined && { threads }),
    ...(mmap !== undefined && { mmap }),
  };
}
