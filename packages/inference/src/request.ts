import type { Tokenizer } from '@cria/tokenizer';
import { invalidField, RequestError } from './request-error.ts';
import {
  checkNames,
  resolveSampling,
  type Sampling,
  samplingNames,
  type SamplingOptions,
} from './sampling.ts';

export interface GenerationOptions extends SamplingOptions {
  /** Most tokens to generate; 0 generates none. Default and upper limit: what the context has left. */
  readonly maxTokens?: number;
  /** The text ends before the first of these. Default none. */
  readonly stop?: string | readonly string[];
  /** Go on after the end-of-text token. Default false. */
  readonly ignoreEos?: boolean;
  /** Put the prompt before the text. Default false. */
  readonly echo?: boolean;
  /** Cancels; the reader gets the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface GenerationRequest extends GenerationOptions {
  /** Text (BOS is put first), or ids that are taken as they are. The empty text is BOS alone. */
  readonly prompt: string | ArrayLike<number>;
}

/** A request with every check done and every default filled in. */
export interface ResolvedRequest {
  readonly ids: ArrayLike<number>;
  readonly maxTokens: number;
  readonly stop: readonly string[];
  readonly ignoreEos: boolean;
  /** Text that comes first because `echo` was asked for; else empty. */
  readonly echoed: string;
  readonly sampling: Sampling;
}

const optionNames = [...samplingNames, 'maxTokens', 'stop', 'ignoreEos', 'echo', 'signal'];

/** Checks everything a user may get wrong. `limit`: tokens a sequence can have. @throws RequestError */
export function resolveRequest(
  op: string,
  request: GenerationRequest,
  tokenizer: Tokenizer,
  limit: number,
): ResolvedRequest {
  checkNames(op, request, ['prompt', ...optionNames]);
  const sampling = resolveSampling(op, request);
  const maxTokens = request.maxTokens ?? Infinity;
  if (!(maxTokens === Infinity || (Number.isInteger(maxTokens) && maxTokens >= 0))) {
    throw invalidField(op, 'maxTokens', maxTokens, 'a whole number from 0 on');
  }
  const ids = promptIds(op, request.prompt, tokenizer);
  const room = limit - ids.length;
  if (room < Math.min(1, maxTokens)) {
    throw new RequestError(
      'context_length_exceeded',
      op,
      `the prompt has ${ids.length} tokens, the context ${limit}.`,
      {
        hint: 'shorten the prompt, so that one token at least has room',
        param: 'prompt',
      },
    );
  }
  const { prompt } = request;
  return {
    ids,
    maxTokens: Math.min(maxTokens, room),
    stop: checkStop(op, request.stop ?? []),
    ignoreEos: checkFlag(op, 'ignoreEos', request.ignoreEos),
    echoed: checkFlag(op, 'echo', request.echo)
      ? typeof prompt === 'string'
        ? prompt
        : tokenizer.decode(prompt)
      : '',
    sampling,
  };
}

function promptIds(op: string, prompt: GenerationRequest['prompt'], tokenizer: Tokenizer): ArrayLike<number> {
  if (typeof prompt === 'string') {
    const ids = tokenizer.encode(prompt, { addBos: tokenizer.bosId !== undefined });
    if (ids.length > 0) return ids;
    throw invalidField(
      op,
      'prompt',
      prompt,
      'enough: the vocabulary has no BOS, so the text needs a first token',
    );
  }
  if (typeof prompt !== 'object' || prompt === null || typeof prompt.length !== 'number') {
    throw invalidField(op, 'prompt', prompt, 'a string or a list of token ids');
  }
  if (prompt.length === 0) throw invalidField(op, 'prompt', [], 'a list of at least one token id');
  for (let i = 0; i < prompt.length; i++) {
    const id: unknown = prompt[i];
    if (typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < tokenizer.vocabSize) continue;
    throw invalidField(op, 'prompt', id, `a token id: they go from 0 to ${tokenizer.vocabSize - 1}`);
  }
  return prompt;
}

function checkStop(op: string, stop: string | readonly string[]): readonly string[] {
  const list: readonly unknown[] = Array.isArray(stop) ? stop : [stop];
  for (const string of list) {
    if (typeof string === 'string' && string !== '' && !/\p{Surrogate}/u.test(string)) continue;
    throw invalidField(op, 'stop', string, 'a string of at least one character, without half characters');
  }
  return list as readonly string[]; // each was looked at
}

function checkFlag(op: string, name: string, value: unknown): boolean {
  if (value === undefined || typeof value === 'boolean') return value ?? false;
  throw invalidField(op, name, value, 'true or false');
}
