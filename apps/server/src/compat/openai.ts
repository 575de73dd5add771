import { createHash } from 'node:crypto';
import { ApiError } from '../http/errors.ts';
import { newId } from '../http/request-id.ts';
import type { ModelFacts } from '../protocol.ts';
import type { Totals } from '../texts.ts';

/** What every object of an answer begins with. */
export interface Head<Kind extends string> {
  readonly id: string;
  readonly object: Kind;
  readonly created: number;
  readonly model: string;
  readonly system_fingerprint: string;
}

export function newHead<Kind extends string>(prefix: string, object: Kind, facts: ModelFacts): Head<Kind> {
  return {
    id: newId(prefix),
    object,
    created: Math.floor(Date.now() / 1000),
    model: facts.id,
    system_fingerprint: fingerprintOf(facts),
  };
}

/**
 * Begins as llama.cpp's do; equal for servers that give equal texts for equal seeds: the same model
 * on the same device.
 */
export function fingerprintOf(facts: ModelFacts): string {
  const { id, format, parameters, device } = facts;
  const digest = createHash('sha256').update(JSON.stringify([id, format, parameters, device]));
  return `b1-${digest.digest('hex').slice(0, 10)}`;
}

export function usageOf({ promptTokens, completionTokens, cachedTokens }: Totals): object {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
  };
}

/** @throws ApiError for any other model than the served one */
export function checkModel(asked: string | null | undefined, served: string): void {
  if (asked == null || asked === served) return;
  const message = `there is no model "${asked.slice(0, 100)}". hint: this server has "${served}"`;
  throw new ApiError(404, message, { code: 'model_not_found', param: 'model' });
}

interface StreamBody {
  readonly stream?: boolean | null;
  readonly stream_options?: object | null;
}

/** @throws ApiError for `stream_options` of an answer that is no stream */
export function checkStreamOptions({ stream, stream_options: options }: StreamBody): void {
  if (options == null || stream === true) return;
  const message = 'stream_options say how a stream is, and none is asked for. hint: add "stream": true';
  throw new ApiError(400, message, { code: 'invalid_value', param: 'stream_options' });
}

/** @throws ApiError where two fields that mean the same say different things */
export function oneOf<Body extends object>(
  body: Body,
  names: readonly (keyof Body & string)[],
): number | undefined {
  const said = names.filter((name) => body[name] != null);
  const [first] = said;
  if (first === undefined) return undefined;
  const other = said.find((name) => body[name] !== body[first]);
  if (other !== undefined) {
    const message = `${first} is ${String(body[first])} and ${other} is ${String(body[other])}. hint: give one of them`;
    throw new ApiError(400, message, { code: 'invalid_value', param: other });
  }
  return body[first] as number; // the schemas say whole numbers
}
