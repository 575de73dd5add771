import type { Sampling } from '../sample/options.ts';
import { invalidField, RequestError } from '../request-error.ts';
import type { Constraint } from './constraint.ts';
import { type PoolKind, poolKinds } from './pooling.ts';

/** Where a request stands among others, and with whom it shares; nothing here changes what comes out. */
export interface Standing {
  /** −100 to 100: higher comes first, and may take the place of lower. Default 0. */
  readonly priority?: number;
  /** Who asks: the machine is shared between those who do. Default each request for itself. */
  readonly share?: string;
  /** Only requests of the same salt share what the cache keeps of prompts. Default ''. */
  readonly cacheSalt?: string;
  /** Seconds after which it is not started any more (`expired`). Default the engine's `queueSeconds`. */
  readonly waitSeconds?: number;
}

/** A request in ids: what the core of the engine takes. */
export interface IdRequest extends Standing {
  /** At least one id. */
  readonly ids: ArrayLike<number>;
  /** Most ids to generate: 0 (for log-probabilities of the prompt alone) or more. */
  readonly maxTokens: number;
  readonly sampling: Sampling;
  /** Ids that end a text, the last of it. Default those of the engine. */
  readonly stopIds?: ReadonlySet<number>;
  readonly constraint?: Constraint;
  /** Log-probabilities of each generated id, and of so many of the likeliest; 0 for its own alone. Default none. */
  readonly logProbabilities?: number;
  /** The same of each id of the prompt but the first. Such a prompt takes nothing from the cache. */
  readonly promptLogProbabilities?: number;
}

/** A prompt whose hidden states are wanted, no text. */
export interface EmbedRequest extends Standing {
  readonly ids: ArrayLike<number>;
  /** `mean` of all rows (default), the `last` one, or the first one (`cls`). */
  readonly pool?: PoolKind;
  /** Divide by the Euclidean length. Default true. */
  readonly normalize?: boolean;
}

/** Most likely ids that can be asked for at each place. */
export const MOST_LIKELY = 128;

const MOST_PRIORITY = 100;

/** Refuses ids that the model does not have, and no ids. @throws RequestError */
export function checkIds(op: string, ids: ArrayLike<number>, vocabSize: number): void {
  if (ids.length === 0) throw invalidField(op, 'prompt', [], 'a list of at least one token id');
  for (let i = 0; i < ids.length; i++) {
    const id: unknown = ids[i];
    if (typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < vocabSize) continue;
    throw invalidField(op, 'prompt', id, `a token id: they go from 0 to ${vocabSize - 1}`);
  }
}

/** @throws RequestError that names the field */
export function checkStanding(op: string, standing: Standing): void {
  const { priority = 0, waitSeconds = 0 } = standing;
  if (!(Number.isInteger(priority) && Math.abs(priority) <= MOST_PRIORITY))
    throw invalidField(op, 'priority', priority, `a whole number from −${MOST_PRIORITY} to ${MOST_PRIORITY}`);
  if (!(typeof waitSeconds === 'number' && waitSeconds >= 0))
    throw invalidField(op, 'waitSeconds', waitSeconds, 'a number from 0 on');
  for (const name of ['share', 'cacheSalt'] as const) {
    const value: unknown = standing[name];
    if (value !== undefined && typeof value !== 'string') throw invalidField(op, name, value, 'a string');
  }
}

/** @throws RequestError that names the field */
export function checkWanted(op: string, request: Partial<IdRequest>): void {
  for (const name of ['logProbabilities', 'promptLogProbabilities'] as const) {
    const value: unknown = request[name];
    if (value === undefined) continue;
    if (!(typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MOST_LIKELY))
      throw invalidField(op, name, value, `a whole number from 0 to ${MOST_LIKELY}`);
  }
}

/** @throws RequestError that names the field */
export function checkPool(op: string, pool: unknown): void {
  if (pool !== undefined && !poolKinds.includes(pool as PoolKind))
    throw invalidField(op, 'pool', pool, `one of ${poolKinds.join(', ')}`);
}

/** A prompt that leaves no room. `has`: "300 tokens". */
export function tooLong(op: string, has: string, limit: number): RequestError {
  return new RequestError('context_length_exceeded', op, `the prompt has ${has}, the context ${limit}.`, {
    hint: 'shorten the prompt, so that one token at least has room',
    param: 'prompt',
  });
}
