import { getRoute } from '../http/route.ts';
import { ApiError } from '../http/errors.ts';

/** Whether the server works. Load balancers ask this. */
export const health = getRoute({
  path: '/health',
  aliases: ['/v1/health'],
  summary: '200 with the number of texts on the way; 503 while loading, draining or failed',
  open: true,
  answer({ state, reply }) {
    const good = state.phase === 'ready';
    void reply.status(good ? 200 : 503);
    return { status: good ? 'ok' : state.phase, active: state.engine?.active ?? 0 };
  },
});

/** Whether new work is welcome here: not while the queue is full. */
export const ready = getRoute({
  path: '/ready',
  summary: '200 while the server takes new texts, 503 while it does not',
  open: true,
  answer({ state }) {
    if (state.phase !== 'ready')
      throw new ApiError(503, `the server is ${state.phase}.`, { code: state.phase, retryAfterMs: 1000 });
    return { status: 'ok' };
  },
});
