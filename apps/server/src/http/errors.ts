import type { FastifyError } from 'fastify';
import { RequestError, type RequestErrorCode } from '@cria/inference';
import { EngineFailure } from '../engine-client.ts';
import { BODY_LIMIT } from './limits.ts';

/** OpenAI's error object; all four fields are required, the last two may be null. */
export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string | null;
  };
}

interface ErrorDetails {
  readonly code?: string;
  readonly param?: string;
  /** Milliseconds after which trying again makes sense. */
  readonly retryAfterMs?: number;
}

/** An error that an HTTP client sees as it is. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly body: ErrorBody;
  readonly retryAfterMs: number | undefined;

  constructor(status: number, message: string, details: ErrorDetails = {}) {
    super(message);
    this.status = status;
    const { code = null, param = null } = details;
    this.body = { error: { message, type: typeOf(status), param, code } };
    this.retryAfterMs = details.retryAfterMs;
  }

  /** What a client's retries go by: OpenAI's clients would try every 5xx again. */
  get headers(): Readonly<Record<string, string>> {
    const ms = this.retryAfterMs;
    if (ms === undefined) return this.status >= 500 ? { 'x-should-retry': 'false' } : {};
    const seconds = String(Math.max(1, Math.ceil(ms / 1000)));
    return { 'retry-after': seconds, 'retry-after-ms': String(Math.ceil(ms)), 'x-should-retry': 'true' };
  }
}

const statusOf: Readonly<Record<RequestErrorCode, number>> = {
  invalid_request: 400,
  context_length_exceeded: 400,
  queue_full: 429,
  expired: 503,
  engine_closed: 503,
};

/** What Fastify refuses before a route sees it, in our words. */
const refusals: Readonly<Record<string, { code: string; message: string }>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    code: 'unsupported_media_type',
    message: 'the body is not declared as JSON. hint: send the header content-type: application/json',
  },
  FST_ERR_CTP_EMPTY_JSON_BODY: {
    code: 'invalid_json',
    message: 'the body is empty. hint: send a JSON object',
  },
  FST_ERR_CTP_BODY_TOO_LARGE: {
    code: 'body_too_large',
    message: `the body has more than ${BODY_LIMIT} bytes. hint: send less text at a time`,
  },
  FST_ERR_BAD_URL: { code: 'bad_url', message: 'the path is not a valid URL. hint: encode % as %25' },
};

/** Milliseconds to wait where nothing was measured. */
const SOON = 1000;

/**
 * What a client is told about any error. Faults of the server itself are not described to it.
 * `waitMs`: how long whoever finds the queue full should wait.
 */
export function toApiError(error: unknown, waitMs = SOON): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof RequestError) {
    const { code, message, param } = error;
    const status = statusOf[code];
    return new ApiError(status, forClients(message), {
      code,
      ...(param && { param: snake(param) }),
      ...(status !== 400 && { retryAfterMs: code === 'engine_closed' ? SOON : waitMs }),
    });
  }
  if (error instanceof EngineFailure)
    return new ApiError(500, 'the engine failed.', { code: 'engine_failed' });
  const { statusCode = 400, code, message } = error as Partial<FastifyError>;
  if (isOwnFault(error))
    return new ApiError(500, 'something went wrong inside the server.', { code: 'internal_error' });
  const known = code === undefined ? undefined : refusals[code];
  if (known) return new ApiError(statusCode, known.message, { code: known.code });
  return new ApiError(statusCode, message ?? 'bad request', { code: 'bad_request' });
}

/** Whether an error is a bug of this server; the engine tells of its own failure itself. */
export function isOwnFault(error: unknown): boolean {
  if (error instanceof ApiError || error instanceof RequestError || error instanceof EngineFailure)
    return false;
  return ((error as Partial<FastifyError>).statusCode ?? 500) >= 500;
}

/** Where the API follows another server than the engine does. */
const apiNames: Readonly<Record<string, string>> = {
  allowedIds: 'allowed_token_ids',
  bannedIds: 'logit_bias',
};

/** `topP` is `top_p` in the API. */
export function snake(name: string): string {
  const named = apiNames[name];
  if (named !== undefined) return named;
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Without the name of the function that complains: `[engine.generate] the prompt …`. */
function forClients(message: string): string {
  return message.replace(/^\[[^\]]*\] /, '');
}

function typeOf(status: number): string {
  if (status === 401) return 'authentication_error';
  if (status === 403) return 'permission_error';
  if (status === 404) return 'not_found_error';
  if (status === 429) return 'rate_limit_error';
  if (status === 501) return 'not_supported_error';
  return status >= 500 ? 'server_error' : 'invalid_request_error';
}
