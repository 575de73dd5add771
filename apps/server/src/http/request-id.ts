import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** Ids that clients may choose: what can stand in a header and a line of a log and mean nothing there. */
const chosen = /^[\w.:-]{1,128}$/;

/** The client's own `x-request-id`, or a new one. It is in the answer's headers and in the log. */
export function requestIdOf({ headers }: IncomingMessage): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && chosen.test(given) ? given : newId('req_');
}

/** A prefix and 32 hex digits. */
export function newId(prefix: string): string {
  return `${prefix}${randomUUID().replaceAll('-', '')}`;
}
