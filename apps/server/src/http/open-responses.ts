import type { FastifyInstance } from 'fastify';

/**
 * Counts answers that are not fully sent. Node's own `server.close()` also waits for connections on
 * which no request ever came, as browsers and fetch open them ahead of time; what matters to a stop
 * is answers only.
 */
export class OpenResponses {
  #count = 0;
  #waiting: (() => void)[] = [];

  constructor(app: FastifyInstance) {
    app.addHook('onRequest', (_, reply, done) => {
      this.#count++;
      reply.raw.once('close', () => {
        if (--this.#count === 0) for (const resolve of this.#waiting.splice(0)) resolve();
      });
      done();
    });
  }

  /** Resolves when every answer is sent or its reader gone, or after so many milliseconds. */
  sent(milliseconds: number): Promise<void> {
    if (this.#count === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}
