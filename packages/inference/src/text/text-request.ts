import { checkNames, invalidField, RequestError } from '../request-error.ts';
import { resolveSampling, type Sampling, samplingNames, type SamplingOptions } from '../sample/options.ts';
import { type IdRequest, type Standing, tooLong } from '../sequence/id-request.ts';
import type { EncodedPrompt, PromptReader } from './prompt.ts';
import { stopLimits } from './stop-strings.ts';

export interface GenerationOptions extends SamplingOptions, Standing {
  /** Most tokens to generate; 0 generates none. Default and upper limit: what the context has left. */
  readonly maxTokens?: number;
  /** The text ends before the first of these: up to 32, of 4,096 UTF-16 units together (`stopLimits`). Default none. */
  readonly stop?: string | readonly string[];
  /** Go on after the end-of-text token. Default false. */
  readonly ignoreEos?: boolean;
  /** Put the prompt before the text. Default false. */
  readonly echo?: boolean;
  /** Log-probabilities of each generated id, and of so many of the likeliest, up to 128. Default none. */
  readonly logProbabilities?: number;
  /** The same of each id of the prompt but the first. Default none. */
  readonly promptLogProbabilities?: number;
  /** What the ids of the text must obey. Default nothing. */
  readonly constraint?: IdRequest['constraint'];
  /** Cancels; the reader gets the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface GenerationRequest extends GenerationOptions {
  /**
   * Text (BOS is put first), or ids that are taken as they are. The empty text is BOS alone. A text
   * that was encoded elsewhere comes with its ids.
   */
  readonly prompt: string | ArrayLike<number> | EncodedPrompt;
}

/** What is for the core of the engine, and what is for the text. */
export interface ResolvedText {
  readonly request: IdRequest;
  readonly stop: readonly string[];
  /** Text that comes first because `echo` was asked for; else empty. */
  readonly echoed: string;
}

/** Fields that the core takes as they are. */
const passedOn = [
  'logProbabilities',
  'promptLogProbabilities',
  'constraint',
  'priority',
  'share',
  'cacheSalt',
  'waitSeconds',
] as const satisfies readonly (keyof GenerationOptions & keyof IdRequest)[];

const optionNames = [...samplingNames, ...passedOn, 'maxTokens', 'stop', 'ignoreEos', 'echo', 'signal'];

const NO_IDS: ReadonlySet<number> = new Set();

/** Checks everything a user may get wrong. `limit`: tokens a sequence can have. @throws RequestError */
export function resolveText(
  op: string,
  request: GenerationRequest,
  prompts: PromptReader,
  limit: number,
): ResolvedText {
  checkNames(op, request, ['prompt', ...optionNames]);
  const sampling: Sampling = resolveSampling(op, request, { tokenizer: prompts.tokenizer });
  const maxTokens = request.maxTokens ?? Infinity;
  if (!(maxTokens === Infinity || (Number.isInteger(maxTokens) && maxTokens >= 0))) {
    throw invalidField(op, 'maxTokens', maxTokens, 'a whole number from 0 on');
  }
  const { ids, echo } = prompts.read(op, request.prompt, limit);
  const room = limit - ids.length;
  if (room < Math.min(1, maxTokens)) throw tooLong(op, `${ids.length} tokens`, limit);
  const rest = passedOn.filter((name) => request[name] !== undefined).map((name) => [name, request[name]]);
  return {
    request: {
      ids,
      maxTokens: Math.min(maxTokens, room),
      sampling,
      ...(checkFlag(op, 'ignoreEos', request.ignoreEos) && { stopIds: NO_IDS }),
      ...Object.fromEntries(rest),
    },
    stop: checkStop(op, request.stop ?? []),
    echoed: checkFlag(op, 'echo', request.echo) ? echo() : '',
  };
}

function checkStop(op: string, stop: string | readonly string[]): readonly string[] {
  const list: readonly unknown[] = Array.isArray(stop) ? stop : [stop];
  for (const string of list) {
    if (typeof string === 'string' && string !== '' && !/\p{Surrogate}/u.test(string)) continue;
    throw invalidField(op, 'stop', string, 'a string of at least one character, without half characters');
  }
  const strings = list as readonly string[]; // each was looked at
  const length = strings.reduce((sum, string) => sum + string.length, 0);
  if (strings.length > stopLimits.strings || length > stopLimits.length) {
    const what = `stop has ${strings.length} strings of ${length} characters together.`;
    const hint = `give up to ${stopLimits.strings}, of ${stopLimits.length} together`;
    throw new RequestError('invalid_request', op, what, { hint, param: 'stop' });
  }
  return strings;
}

function checkFlag(op: string, name: string, value: unknown): boolean {
  if (value === undefined || typeof value === 'boolean') return value ?? false;
  throw invalidField(op, name, value, 'true or false');
}
