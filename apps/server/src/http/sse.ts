import type { ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';

/** An event of a stream of `data` alone, as OpenAI's clients read them. */
export function dataEvent(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}

/** An event with a name, as Anthropic's API and OpenAI's responses have them. */
export function namedEvent(name: string, data: object): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** Ends a good stream of OpenAI's. Never sent behind an error: clients take it for a good end. */
export const DONE = 'data: [DONE]\n\n';

/**
 * Sends events as they come. The headers go out at once, so that a client knows its request was
 * taken while the prompt is still read, and after `pingMs` of silence a comment, which clients skip
 * and proxies count as life. A reader who does not keep up is waited for.
 */
export async function sendEvents(
  reply: FastifyReply,
  events: AsyncIterable<string>,
  pingMs: number,
): Promise<void> {
  reply.hijack();
  const { raw } = reply;
  // Headers that hooks have set.
  for (const [name, value] of Object.entries(reply.getHeaders()))
    if (value !== undefined) raw.setHeader(name, value);
  raw.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
    'x-accel-buffering': 'no',
  });
  raw.flushHeaders();
  let silent = true;
  const timer = setInterval(() => {
    if (silent && !raw.destroyed && !raw.writableNeedDrain) raw.write(': ping\n\n');
    silent = true;
  }, pingMs);
  timer.unref();
  try {
    for await (const event of events) {
      if (raw.destroyed) return;
      silent = false;
      if (!raw.write(event)) await drained(raw);
    }
    raw.end();
  } finally {
    clearInterval(timer);
  }
}

/** Resolves when the reader has taken what was written, or is gone. */
function drained(raw: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    if (raw.destroyed) return resolve();
    const done = () => {
      raw.off('drain', done).off('close', done);
      resolve();
    };
    raw.once('drain', done).once('close', done);
  });
}
