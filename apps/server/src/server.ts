import type { DeviceChoice } from '@cria/devices';
import type { FastifyInstance } from 'fastify';
import type { CacheDType } from '@cria/inference';
import { checkOptions, fail } from '@cria/tensor';
import { createApp, type ServerState } from './app.ts';
import { EngineClient, type EngineFailure } from './engine-client.ts';
import { isLoopback } from './local-host.ts';
import { OpenResponses } from './open-responses.ts';
import type { EngineSettings, ModelFacts, ThreadFile } from './protocol.ts';

export interface ServerOptions {
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
   * Map the files of the weights instead of reading them; default true. A mapped file that is cut ends the process: `false` is for
   * files that others may change in place.
   */
  readonly mmap?: boolean;
  /** Texts that are made together; default 16. */
  readonly maxSequences?: number;
  /** Texts that may wait for their turn; more are refused with 429. Default 256. */
  readonly maxWaiting?: number;
  /** Tokens in one pass through the model; default 256. */
  readonly maxBatchRows?: number;
  /** Bytes of the key/value cache; default at most 1 GiB. */
  readonly memory?: number;
  /** How the cache stores keys and values; default bf16. */
  readonly cacheDType?: CacheDType;
  /** Seconds that `close()` gives running texts to end; default 30. */
  readonly drainSeconds?: number;
  /** Called once, when the engine breaks. Requests then get 500; the caller should close the server and end. */
  readonly onFailure?: (failure: EngineFailure) => void;
  /** Called with every fault of the server that a client saw as a bare 500, other than the engine's failure. */
  readonly onError?: (error: unknown) => void;
  /** Where the engine's thread starts; default this package's own file. */
  readonly thread?: ThreadFile;
}

export interface RunningServer {
  /** `http://127.0.0.1:8080` */
  readonly url: string;
  readonly facts: ModelFacts;
  /** Takes no new work, lets running texts end, frees everything. A second call does not wait for texts. */
  close(): Promise<void>;
}

const OPTIONS = [
  'model',
  'tokenizer',
  'port',
  'host',
  'device',
  'threads',
  'mmap',
  'maxSequences',
  'maxWaiting',
  'maxBatchRows',
  'memory',
  'cacheDType',
  'drainSeconds',
  'onFailure',
  'onError',
  'thread',
] as const satisfies readonly (keyof ServerOptions)[];

/**
 * Loads a model and serves it. The port is bound first, so that a port in use is known before a large model is read; until the model
 * is there, requests get 503. @throws CriaError for a port in use, EngineFailure for a model that cannot be loaded
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  checkOptions('startServer', options, OPTIONS);
  const { host = '127.0.0.1', port = 8080, onError = () => {} } = options;
  const state: ServerState = { phase: 'loading', engine: undefined, onError };
  const app = createApp(state, { localOnly: isLoopback(host) });
  const responses = new OpenResponses(app);
  const url = await listen(app, host, port);
  try {
    state.engine = await EngineClient.start(engineSettings(options), options.thread);
  } catch (error) {
    state.phase = 'failed';
    await app.close();
    throw error;
  }
  const { engine } = state;
  state.phase = 'ready';
  void engine.failed.then((failure) => {
    state.phase = 'failed';
    options.onFailure?.(failure);
  });
  const drainMs = (options.drainSeconds ?? 30) * 1000;
  let hurry = () => {};
  const stop = async () => {
    if (state.phase === 'ready') state.phase = 'draining';
    const deadline = new Promise<void>((resolve) => (hurry = resolve));
    const timer = setTimeout(hurry, drainMs);
    await Promise.race([engine.idle(), deadline]);
    clearTimeout(timer);
    // Texts that still run end with an error object in their stream.
    await engine.close();
    await responses.sent(FLUSH_MS);
    await app.close();
  };
  let stopping: Promise<void> | undefined;
  const close = () => {
    if (stopping) hurry();
    return (stopping ??= stop());
  };
  return { url, facts: engine.facts, close };
}

/** Time that readers get to take the last bytes of their answers. */
const FLUSH_MS = 2000;

function engineSettings(options: ServerOptions): EngineSettings {
  const { model, device = 'auto', maxSequences = 16, maxWaiting = 256, maxBatchRows = 256 } = options;
  const { tokenizer, threads, mmap, memory, cacheDType = 'bf16' } = options;
  return {
    model,
    device,
    maxSequences,
    maxWaiting,
    maxBatchRows,
    cacheDType,
    ...(tokenizer !== undefined && { tokenizer }),
    ...(threads !== undefined && { threads }),
    ...(mmap !== undefined && { mmap }),
    ...(memory !== undefined && { memory }),
  };
}

async function listen(app: FastifyInstance, host: string, port: number): Promise<string> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE')
      fail('cria-server', `port ${port} of ${host} is in use.`, 'choose another with --port', error);
    if (code === 'EACCES')
      fail(
        'cria-server',
        `port ${port} of ${host} is not allowed.`,
        'choose one above 1023 with --port',
        error,
      );
    fail(
      'cria-server',
      `cannot listen on port ${port} of ${host}: ${(error as Error).message}.`,
      undefined,
      error,
    );
  }
  const address = app.server.address();
  const bound = typeof address === 'object' && address ? address.port : port;
  const shown = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  return `http://${shown}:${bound}`;
}
