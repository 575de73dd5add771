import Fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import { type LogEntry, notesOf } from '../observe/log.ts';
import { routes } from '../routes/index.ts';
import { addPage, pagePaths } from '../routes/page.ts';
import { explainBody } from '../schema/explain.ts';
import { dropUnknown, headerNames } from '../schema/unknown-fields.ts';
import { ownerOf, requireKeys } from './auth.ts';
import { ApiError, isOwnFault, toApiError } from './errors.ts';
import { refuseBadHttp, watchRequests } from './bad-http.ts';
import { allowOrigins } from './cors.ts';
import { refuseBadHosts, refuseOtherHosts } from './host.ts';
import { BODY_LIMIT, REQUEST_TIMEOUT } from './limits.ts';
import { requestIdOf } from './request-id.ts';
import { pathsOf, type Route } from './route.ts';
import type { ServerState } from './state.ts';

/** Key and certificate of a server that speaks TLS. */
export interface Tls {
  readonly key: Buffer;
  readonly cert: Buffer;
}

/** All routes over a state; no model, thread or socket of its own. */
export function createApp(state: ServerState, tls?: Tls): FastifyInstance {
  const options = {
    logger: false,
    bodyLimit: BODY_LIMIT,
    requestTimeout: REQUEST_TIMEOUT,
    forceCloseConnections: true,
    routerOptions: { ignoreTrailingSlash: true },
    genReqId: requestIdOf,
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false } },
    schemaErrorFormatter: () => new Error('see validation'),
    clientErrorHandler: refuseBadHttp,
    frameworkErrors: (error: FastifyError, request: FastifyRequest, reply: FastifyReply) => {
      void reply.header('x-request-id', request.id);
      sendError(reply, error, state);
    },
  } as const;
  // Without a Host header Node itself would answer, and not with our error object.
  const plain = { requireHostHeader: false };
  const app: FastifyInstance = tls
    ? (Fastify({ ...options, https: { ...plain, ...tls } }) as unknown as FastifyInstance) // the same but for the type of its server
    : Fastify({ ...options, http: plain });
  app.setErrorHandler((error: FastifyError, request, reply) => {
    if (isOwnFault(error)) state.onError(error);
    const { body: schema } = routeOf(request) ?? {};
    sendError(
      reply,
      error.validation && schema ? explainBody(error.validation, request.body, schema) : error,
      state,
    );
  });
  app.setNotFoundHandler((request, reply) => answerNothing(request, reply, state));
  // Bodies are JSON and say so, which also keeps other sites' forms out: browsers ask before they send it.
  app.removeContentTypeParser('text/plain');
  checkBeforeBodies(app);
  addHooks(app, state);
  addPage(app);
  for (const route of routes) addRoute(app, route, state);
  return app;
}

/** What happens with every request before a route sees it: the order is what a stranger may learn. */
function addHooks(app: FastifyInstance, state: ServerState): void {
  app.addHook('onRequest', (request, reply, done) => {
    void reply.header('x-request-id', request.id);
    done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    state.metrics.answered(reply.statusCode);
    state.log(lineOf(request, reply));
    done();
  });
  watchRequests(app);
  refuseBadHosts(app);
  if (state.localOnly) refuseOtherHosts(app);
  if (state.corsOrigins.length > 0) allowOrigins(app, state.corsOrigins);
  if (state.keys) requireKeys(app, state.keys, (path) => openPaths.has(withoutSlash(path)));
}

function addRoute(app: FastifyInstance, route: Route, state: ServerState): void {
  const { body: schema } = route;
  for (const url of pathsOf(route)) {
    app.route({
      method: route.method,
      url,
      config: { route },
      ...(schema && {
        schema: { body: schema },
        preValidation: (request, reply, done) => {
          const ignored = dropUnknown(request.body, schema, state.strict);
          if (ignored.length > 0) {
            const names = headerNames(ignored);
            void reply.header('x-ignored-fields', names);
            state.log({ event: 'ignored fields', requestId: request.id, path: url, fields: names });
          }
          done();
        },
      }),
      // What needs no waiting is answered at once, before the next request of the same connection is looked at.
      handler: (request, reply) => {
        const answer = route.answer({ state, request, reply, routes, body: request.body });
        if (answer instanceof Promise) return answer;
        if (answer !== undefined) void reply.send(answer);
      },
    });
  }
}

/** Whoever asks with `Expect: 100-continue` whether a body may come is told before it comes. */
function checkBeforeBodies(app: FastifyInstance): void {
  app.server.on('checkContinue', (request, response) => {
    if (!(Number(request.headers['content-length']) > BODY_LIMIT)) response.writeContinue();
    app.server.emit('request', request, response);
  });
}

/** Which methods each path takes; one source with the router. */
const methods: ReadonlyMap<string, string> = new Map([
  ...pagePaths.map((path) => [path, 'GET, HEAD'] as const),
  ...routes.flatMap((route) =>
    pathsOf(route).map((path) => [path, route.method === 'GET' ? 'GET, HEAD' : route.method] as const),
  ),
]);

const openPaths: ReadonlySet<string> = new Set([
  ...pagePaths,
  ...routes.filter(({ open }) => open).flatMap(pathsOf),
]);

function answerNothing(request: FastifyRequest, reply: FastifyReply, state: ServerState): void {
  const path = request.url.split('?')[0] ?? '';
  const allowed = methods.get(withoutSlash(path));
  if (allowed) void reply.header('allow', allowed);
  const message = allowed
    ? `${path} takes ${allowed}, not ${request.method}.`
    : `there is nothing at ${path.slice(0, 200)}.`;
  const code = allowed ? 'method_not_allowed' : 'not_found';
  sendError(reply, new ApiError(allowed ? 405 : 404, message, { code }), state);
}

function withoutSlash(path: string): string {
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
}

function routeOf(request: FastifyRequest): Route | undefined {
  return (request.routeOptions.config as { route?: Route }).route; // as addRoute wrote it
}

function sendError(reply: FastifyReply, error: unknown, state: ServerState): void {
  const { status, body, headers } = toApiError(error, state.metrics.drain.wait(1));
  void reply.status(status).headers(headers).send(body);
}

/** A path's secret parts, its query among them, stay out of the log, and so do all texts. */
function lineOf(request: FastifyRequest, reply: FastifyReply): LogEntry {
  return {
    event: 'request',
    requestId: request.id,
    method: request.method,
    path: (request.url.split('?')[0] ?? '').slice(0, 200),
    status: reply.statusCode,
    ms: Math.round(reply.elapsedTime),
    key: ownerOf(request),
    ...notesOf(request.raw),
  };
}
