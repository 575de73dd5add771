import type { FastifyInstance } from 'fastify';
import { fail } from '@cria/tensor';
import { createApp, type ServerState } from './http/app.ts';
import { EngineClient } from './engine-client.ts';
import { isLoopback } from './http/local-host.ts';
import { OpenResponses } from './http/open-responses.ts';
import type { ModelFacts } from './protocol.ts';
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
  const { host = '127.0.0.1', port = 8080, onError = () => {} } = options;
  const state: ServerState = { phase: 'loading', engine: undefined, onError };
  const app = createApp(state, { localOnly: isLoopback(host) });
  const responses = new OpenResponses(app);
  const url = await listen(app, host, port);
  try {
    state.engine = await EngineClient.start(settings, options.thread);
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
