import { isIP } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { ApiError } from './errors.ts';

/** Whether an address to listen on can be reached from this machine only. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** A request of HTTP/1.1 names its host once: with two, the parts of a chain of proxies may go by different ones. */
export function refuseBadHosts(app: FastifyInstance): void {
  app.addHook('onRequest', (request, _, done) => {
    const { rawHeaders, httpVersion } = request.raw;
    const hosts = rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === 'host').length;
    if (hosts === 1 || (hosts === 0 && httpVersion === '1.0')) return done();
    const what = hosts === 0 ? 'no Host header' : `${hosts} Host headers`;
    done(new ApiError(400, `the request has ${what}. hint: send one`, { code: 'bad_host' }));
  });
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
    const message = `this server answers to localhost, not to "${host}". hint: start it with --host 0.0.0.0 to answer to any name`;
    done(new ApiError(403, message, { code: 'host_not_allowed' }));
  });
}
