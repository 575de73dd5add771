import { isIP } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { ApiError } from './errors.ts';

/** Whether an address to listen on can be reached from this machine only. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/**
 * A server that only this machine can reach still answers the browser on it, and so any web site
 * whose name its owner points to 127.0.0.1 (DNS rebinding). Such a request names that site; those
 * that are meant name localhost or an address.
 */
export function refuseOtherHosts(app: FastifyInstance): void {
  app.addHook('onRequest', (request, _, done) => {
    const host = request.hostname.replace(/^\[|\]$/g, '').toLowerCase();
    if (host === '' || host === 'localhost' || host.endsWith('.localhost') || isIP(host)) return done();
    const message = `[server] this server answers to localhost, not to "${host}". hint: start it with --host 0.0.0.0 to answer to any name`;
    done(new ApiError(403, message, { code: 'host_not_allowed' }));
  });
}
