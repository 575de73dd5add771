import type { FastifyInstance } from 'fastify';

/** Seconds that a browser may remember an answer of a preflight. */
const MAX_AGE = '600';

/** What scripts of another origin may read of an answer. */
const EXPOSED = 'x-request-id, x-ignored-fields, retry-after, retry-after-ms, x-should-retry';

/**
 * Lets scripts of the named web sites in; `*` is all of them. Nobody else gets a header, so browsers
 * keep their answers from them. Credentials are never allowed: keys go in a header of their own.
 */
export function allowOrigins(app: FastifyInstance, origins: readonly string[]): void {
  const all = origins.includes('*');
  app.addHook('onRequest', (request, reply, done) => {
    const { origin } = request.headers;
    void reply.header('vary', 'Origin');
    if (origin === undefined || !(all || origins.includes(origin))) return done();
    void reply.headers({
      'access-control-allow-origin': all ? '*' : origin,
      'access-control-expose-headers': EXPOSED,
    });
    const asked = request.headers['access-control-request-method'];
    if (request.method !== 'OPTIONS' || asked === undefined) return done();
    // A preflight asks before the request with its key comes.
    void reply
      .status(204)
      .headers({
        'access-control-allow-methods': 'GET, HEAD, POST',
        'access-control-allow-headers':
          request.headers['access-control-request-headers'] ?? 'authorization, content-type',
        'access-control-max-age': MAX_AGE,
      })
      .send();
  });
}
