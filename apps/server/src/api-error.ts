import { RequestError, type RequestErrorCode } from '@cria/inference';
import { EngineFailure } from './engine-client.ts';

/** OpenAI's error object; all four fields are required, the last two may be null. */
export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string | null;
  };
}

/** An error that an HTTP client sees as it is. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly body: ErrorBody;
  /** Seconds after which trying again makes sense. */
  readonly retryAfter: number | undefined;

  constructor(
    status: number,
    message: string,
    details: { code?: string; param?: string; retryAfter?: number } = {},
  ) {
    super(message);
    this.status = status;
    const { code = null, param = null } = details;
    this.body = { error: { message, type: typeOf(status), param, code } };
    this.retryAfter = details.retryAfter;
  }
}

const statusOf: Readonly<Record<RequestErrorCode, number>> = {
  invalid_request: 400,
  context_length_exceeded: 400,
  queue_full: 429,
  engine_closed: 503,
};

/** What a client is told about any error. Faults of the server itself are not described to it. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof RequestError) {
    const { code, message, param } = error;
    const status = statusOf[code];
    return new ApiError(status, message, {
      code,
      ...(param && { param: snake(param) }),
      ...(status !== 400 && { retryAfter: 1 }),
    });
  }
  if (error instanceof EngineFailure)
    return new ApiError(500, '[server] the engine failed.', { code: 'engine_failed' });
  const {
    statusCode = 500,
    code,
    message,
  } = error as { statusCode?: number; code?: string; message?: string };
  if (statusCode >= 500)
    return new ApiError(500, '[server] something went wrong inside the server.', { code: 'internal_error' });
  return new ApiError(
    statusCode,
    `[server] ${message ?? 'bad request'}`,
    code === undefined ? {} : { code: code.toLowerCase() },
  );
}

/** `topP` is `top_p` in the API. */
export function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function typeOf(status: number): string {
  if (status === 404) return 'not_found_error';
  if (status === 429) return 'rate_limit_error';
  return status >= 500 ? 'server_error' : 'invalid_request_error';
}
