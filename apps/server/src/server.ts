import { readFileSync } from 'node:fs';
import type { FastifyInstance } from 'fastify';
import { fail } from '@cria/tensor';
import { TextDesk } from './chat/desk.ts';
import { createApp, type Tls } from './http/app.ts';
import { KeyRing } from './http/auth.ts';
import { EngineClient } from './engine-client.ts';
import { isLoopback } from './http/host.ts';
import { PING_INTERVAL } from './http/limits.ts';
import { OpenResponses } from './http/open-responses.ts';
import type { ServerState } from './http/state.ts';
import { noLog } from './observe/log.ts';
import { Metrics } from './observe/metrics.ts';
import { type EngineSettings, type ModelFacts, ownThread } from './protocol.ts';
import { checkServerOptions, engineSettings, type ServerOptions } from './server-options.ts';

export interface RunningServer {
  /** `http://127.0.0.1:8080` */
  readonly url: string;
  readonly facts: ModelFacts;
  /** Takes no new work, lets running texts end, frees everything. A second call does not wait for texts. */
  close(): Promise<void>;
}

/**
 * Loads a model and serves it. The port is bound first, so that a port in use is known before a
 * large model is read; until the model is there, requests get 503. @throws CriaError for a port in
 * use, EngineFailure for a model that cannot be loaded
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  checkServerOptions('startServer', options);
  const settings = engineSettings('startServer', options);
  const { host = '127.0.0.1', port = 8080 } = options;
  const state = newState(options, settings, host);
  const app = createApp(state, readTls(options));
  const responses = new OpenResponses(app);
  const url = await listen(app, host, port, options.tlsKey !== undefined);
  try {
    state.engine = await EngineClient.start(settings, options.thread);
  } catch (error) {
    state.phase = 'failed';
    await app.close();
    await state.desk.close();
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
    await state.desk.close();
  };
  let stopping: Promise<void> | undefined;
  const close = () => {
    if (stopping) hurry();
    return (stopping ??= stop());
  };
  return { url, facts: engine.facts, close };
}

function newState(options: ServerOptions, settings: EngineSettings, host: string): ServerState {
  const { apiKeyFile, onError = () => {}, log = noLog, corsOrigins = [], strict = false } = options;
  return {
    phase: 'loading',
    engine: undefined,
    onError,
    log,
    strict,
    corsOrigins,
    metrics: new Metrics(),
    desk: new TextDesk(options.deskThread ?? ownThread('desk-worker'), settings),
    keys: apiKeyFile === undefined ? undefined : new KeyRing(apiKeyFile),
    localOnly: isLoopback(host),
    pingInterval: options.pingInterval ?? PING_INTERVAL,
  };
}

/** Both files, or neither was named. @throws CriaError for a file that cannot be read */
function readTls({ tlsKey, tlsCert }: ServerOptions): Tls | undefined {
  if (tlsKey === undefined || tlsCert === undefined) return undefined;
  const read = (path: string) => {
    try {
      return readFileSync(path);
    } catch (error) {
      return fail('cria-server', `cannot read ${path}.`, (error as Error).message, error);
    }
  };
  return { key: read(tlsKey), cert: read(tlsCert) };
}

/** Time that readers get to take the last bytes of their answers. */
const FLUSH_MS = 2000;

async function listen(app: FastifyInstance, host: string, port: number, tls: boolean): Promise<string> {
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
  return `${tls ? 'https' : 'http'}://${shown}:${bound}`;
}
