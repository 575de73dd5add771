import { Readable } from 'node:stream';
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply } from 'fastify';
import { ApiError, BODY_LIMIT, isOwnFault, toApiError } from './errors.ts';
import { refuseBadHttp, watchRequests } from './bad-http.ts';
import { CompletionBody, explainBody } from '../schema/completion.ts';
import { Completion } from '../routes/completions.ts';
import type { EngineClient } from '../engine-client.ts';
import { refuseOtherHosts } from './local-host.ts';
import { addPage, pagePaths } from '../routes/page.ts';

/** What the routes know of the server. The engine comes when the model is loaded. */
export interface ServerState {
  phase: 'loading' | 'ready' | 'draining' | 'failed';
  engine: EngineClient | undefined;
  /** Hears of faults of the server itself, which clients see as a bare 500. */
  readonly onError: (error: unknown) => void;
}

/** Milliseconds that a client has to send its whole request. */
const REQUEST_TIMEOUT = 60_000;

const METHODS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(pagePaths.map((path) => [path, 'GET, HEAD'])),
  '/health': 'GET, HEAD',
  '/v1/models': 'GET, HEAD',
  '/v1/completions': 'POST',
};

/**
 * All routes over a state; no model, thread or socket of its own. `localOnly`: requests must name
 * this machine, see `local-host.ts`.
 */
export function createApp(state: ServerState, { localOnly = false } = {}): FastifyInstance {
  const app = Fastify({
    logger: false,
    bodyLimit: BODY_LIMIT,
    requestTimeout: REQUEST_TIMEOUT,
    forceCloseConnections: true,
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false } },
    schemaErrorFormatter: () => new Error('see validation'),
    clientErrorHandler: refuseBadHttp,
    frameworkErrors: (error, _, reply) => sendError(reply, error),
  });
  app.setErrorHandler((error: FastifyError, request, reply) => {
    if (isOwnFault(error)) state.onError(error);
    sendError(reply, error.validation ? explainBody(error.validation, request.body) : error);
  });
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0] ?? '';
    const allowed = METHODS[path];
    if (allowed) void reply.header('allow', allowed);
    const message = allowed
      ? `[server] ${path} takes ${allowed}, not ${request.method}.`
      : `[server] there is nothing at ${path}.`;
    sendError(
      reply,
      new ApiError(allowed ? 405 : 404, message, { code: allowed ? 'method_not_allowed' : 'not_found' }),
    );
  });
  // Bodies are JSON and say so, which also keeps other sites' forms out: browsers ask before they send it.
  app.removeContentTypeParser('text/plain');
  watchRequests(app);
  if (localOnly) refuseOtherHosts(app);
  addPage(app);
  addHealth(app, state);
  addModels(app, state);
  addCompletions(app, state);
  return app;
}

function addHealth(app: FastifyInstance, state: ServerState): void {
  app.get('/health', (_, reply) => {
    const ready = state.phase === 'ready';
    void reply
      .status(ready ? 200 : 503)
      .send({ status: ready ? 'ok' : state.phase, active: state.engine?.active ?? 0 });
  });
}

function addModels(app: FastifyInstance, state: ServerState): void {
  const created = Math.floor(Date.now() / 1000);
  app.get('/v1/models', () => {
    const { id, ...meta } = engineOf(state).facts;
    return {
      object: 'list',
      data: [{ id, object: 'model', created, owned_by: 'cria', max_model_len: meta.contextLength, meta }],
    };
  });
}

function addCompletions(app: FastifyInstance, state: ServerState): void {
  app.post<{ Body: CompletionBody }>(
    '/v1/completions',
    { schema: { body: CompletionBody } },
    async (request, reply) => {
      const completion = await Completion.start(request.body, engineOf(state));
      // Whoever hangs up wants no more of it; after a normal end there is nothing left to cancel.
      reply.raw.once('close', () => completion.cancel());
      if (reply.raw.destroyed) completion.cancel();
      if (!request.body.stream) return completion.whole();
      const events = Readable.from(completion.events(state.onError), { highWaterMark: 1 });
      return reply
        .type('text/event-stream')
        .header('cache-control', 'no-cache')
        .header('x-accel-buffering', 'no')
        .send(events);
    },
  );
}

function engineOf({ phase, engine }: ServerState): EngineClient {
  if (phase === 'failed') throw new ApiError(500, '[server] the engine failed.', { code: 'engine_failed' });
  if (phase !== 'ready' || !engine) {
    throw new ApiError(503, `[server] the server is ${phase}.`, {
      code: phase,
      retryAfter: phase === 'loading' ? 1 : 5,
    });
  }
  return engine;
}

function sendError(reply: FastifyReply, error: unknown): void {
  const { status, body, retryAfter } = toApiError(error);
  if (retryAfter !== undefined) void reply.header('retry-after', retryAfter);
  void reply.status(status).send(body);
}
