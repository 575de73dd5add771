import { CriaError, nearestName } from '@cria/tensor';

/** Why a request was refused; a server maps these to HTTP status codes. */
export type RequestErrorCode =
  /** A field has a wrong type or value. */
  | 'invalid_request'
  /** The prompt leaves no room in the context. */
  | 'context_length_exceeded'
  /** Too many requests, or tokens of requests, wait already; try again later. */
  | 'queue_full'
  /** Its time to wait was over before there was a place for it; try again later. */
  | 'expired'
  /** The engine was closed or has failed. */
  | 'engine_closed';

/** A request the engine does not take. Nothing was started. */
export class RequestError extends CriaError {
  readonly code: RequestErrorCode;
  /** The field of the request that is to blame, if one is. */
  readonly param: string | undefined;

  constructor(
    code: RequestErrorCode,
    op: string,
    what: string,
    options: { hint?: string; param?: string; cause?: unknown } = {},
  ) {
    super(op, what, options.hint, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.param = options.param;
  }
}

/** Characters of a wrong value that its message shows. */
const MOST_SHOWN = 100;

/** A field with a value it can not have. `wanted` says what it could be: "a whole number". */
export function invalidField(op: string, param: string, value: unknown, wanted: string): RequestError {
  // JSON has neither NaN nor undefined; and a value may be megabytes.
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
  const shown = text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text;
  return new RequestError('invalid_request', op, `${param} is ${shown}, not ${wanted}.`, { param });
}

/** Rejects an option this package does not know. @throws RequestError with the nearest name */
export function checkNames(op: string, options: object, known: readonly string[]): void {
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    const nearest = nearestName(name, known);
    const hint = nearest ? `did you mean "${nearest}"?` : `known options are ${known.join(', ')}`;
    throw new RequestError('invalid_request', op, `unknown option "${name}".`, { hint, param: name });
  }
}
