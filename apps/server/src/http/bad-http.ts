import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { ApiError } from './errors.ts';
import { newId } from './request-id.ts';

const statuses: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

interface BadHttp extends Error {
  readonly code?: string;
  /** The bytes that came last, a `Buffer` where there are any. */
  readonly rawPacket?: unknown;
}

/** Answers of the requests whose heads were understood, while they are on their way. */
const open = new WeakMap<Socket, { readonly method: string; readonly response: ServerResponse }>();

/** Remembers what each connection asks, for those whose request breaks off later. */
export function watchRequests(app: FastifyInstance): void {
  app.addHook('onRequest', (request, reply, done) => {
    const { socket } = request.raw;
    open.set(socket, { method: request.method, response: reply.raw });
    reply.raw.once('close', () => open.delete(socket));
    done();
  });
}

/** Bytes that are not HTTP, or come too slowly, never reach a route. */
export function refuseBadHttp(error: BadHttp, socket: Socket): void {
  const last = open.get(socket);
  const answering = last?.response.writableEnded ? undefined : last;
  const deaf = error.code === 'ECONNRESET' || socket.destroyed || !socket.writable;
  // A second answer inside the first would be worse than none.
  if (deaf || answering?.response.headersSent) return void socket.destroy();
  const status = statuses[error.code ?? ''] ?? '400 Bad Request';
  const message = 'the request is not HTTP that this server understands, or did not come in time.';
  const { body } = new ApiError(400, message, { code: 'bad_http' });
  const text = takesBody(answering?.method, error.rawPacket) ? JSON.stringify(body) : '';
  const type = text === '' ? '' : 'content-type: application/json\r\n';
  const headers = `${type}x-request-id: ${newId('req_')}\r\ncontent-length: ${Buffer.byteLength(text)}\r\nconnection: close`;
  socket.end(`HTTP/1.1 ${status}\r\n${headers}\r\n\r\n${text}`);
}

/**
 * Whether the answer may have a body: none to HEAD, which strict clients take for the next answer,
 * nor where nobody knows.
 */
function takesBody(method: string | undefined, packet: unknown): boolean {
  if (method !== undefined) return method !== 'HEAD';
  const text = Buffer.isBuffer(packet) ? packet.toString('latin1') : '';
  return /^[A-Z]+ /.test(text) && !/(^|\n)HEAD /.test(text);
}
