import { fail, hashName, nearestName, uniform } from '@cria/tensor';
import {
  argmax,
  divide,
  draw,
  exponentiate,
  keepMinP,
  keepTopK,
  keepTopP,
  penalizeGenerated,
  penalizeRepetition,
  scaleByTemperature,
} from './filters.ts';
import { invalidField, RequestError } from './request-error.ts';

/**
 * How the next token is chosen. Applied in Hugging Face's order: repetition penalty, presence and
 * frequency penalties, temperature, top-k, top-p, min-p, draw.
 */
export interface SamplingOptions {
  /** Divides the logits; below 1e-5 (so 0 too) the most probable token is taken, the lowest id of equals. Default 1. */
  readonly temperature?: number;
  /** Only the k most probable tokens, and all equal to the last of them; 0 = all. Default 0. */
  readonly topK?: number;
  /** Only the most probable tokens that together reach this probability. 0 to 1, 1 = all. Default 1. */
  readonly topP?: number;
  /** Only tokens at least this many times as probable as the first. 0 to 1, 0 = all. Default 0. */
  readonly minP?: number;
  /**
   * Divides positive and multiplies negative logits of ids in the prompt or the text so far. 0.01
   * to 100; default 1.
   */
  readonly repetitionPenalty?: number;
  /** Subtracted from logits of ids generated before. −2 to 2; default 0. */
  readonly presencePenalty?: number;
  /** Subtracted from logits as often as their id was generated before. −2 to 2; default 0. */
  readonly frequencyPenalty?: number;
  /**
   * The draws are a function of (seed, stream, position) and the model alone. Whole, 0 to 2^53 − 1;
   * default a random one.
   */
  readonly seed?: number;
  /** Independent draws under one seed. Whole, 0 to 2^32 − 1; default 0. */
  readonly stream?: number;
}

export type Sampling = Required<SamplingOptions>;

type Check = {
  readonly holds: (value: number) => boolean;
  readonly what: string;
  readonly default: () => number;
};
const between = (low: number, high: number, standard: number): Check => ({
  holds: (value) => value >= low && value <= high,
  what: `a number from ${low} to ${high}`,
  default: () => standard,
});
const whole = (high: number, standard: () => number): Check => ({
  holds: (value) => Number.isInteger(value) && value >= 0 && value <= high,
  what: `a whole number from 0 to ${high}`,
  default: standard,
});

/** Least and largest `repetitionPenalty`. */
export const repetitionPenaltyBounds = [0.01, 100] as const;

const checks: Readonly<Record<keyof Sampling, Check>> = {
  temperature: {
    holds: (value) => value >= 0 && value < Infinity,
    what: 'a number from 0 on',
    default: () => 1,
  },
  topK: whole(Number.MAX_SAFE_INTEGER, () => 0),
  topP: between(0, 1, 1),
  minP: between(0, 1, 0),
  // Beyond these a text is decided by what was said before alone; and 1e-308 would make infinities of ordinary logits.
  repetitionPenalty: between(...repetitionPenaltyBounds, 1),
  presencePenalty: between(-2, 2, 0),
  frequencyPenalty: between(-2, 2, 0),
  seed: whole(Number.MAX_SAFE_INTEGER, randomSeed),
  stream: whole(2 ** 32 - 1, () => 0),
};

/** Names of all sampling options, for those who take them from users. */
export const samplingNames = Object.keys(checks) as (keyof Sampling)[];

/** Checks every option and fills in the defaults. @throws RequestError that names the option */
export function resolveSampling(op: string, options: SamplingOptions): Sampling {
  const resolve = (name: keyof Sampling): number => {
    const value: unknown = options[name];
    const check = checks[name];
    if (value === undefined) return check.default();
    if (typeof value === 'number' && check.holds(value)) return value;
    throw invalidField(op, name, value, check.what);
  };
  return Object.fromEntries(samplingNames.map((name) => [name, resolve(name)])) as Sampling; // one entry per name
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

const STREAM = hashName('inference.sample');

/** vLLM's limit: dividing by less only overflows. */
const GREEDY_BELOW = 1e-5;

/** The ids before the token to be chosen. */
export interface History {
  readonly ids: ArrayLike<number>;
  readonly promptLength: number;
}

/** Chooses tokens; holds the scratch for one row of scores, so one of them serves any number of sequences in turn. */
export class Sampler {
  #scores: Float64Array;

  constructor(vocabSize: number) {
    this.#scores = new Float64Array(vocabSize);
  }

  /**
   * The id that follows `history`, of which only the ids, their number and the request's seed matter.   logits: [V]
   * @throws CriaError where the logits are NaN or infinite; −Infinity is a token that never comes
   */
  sample(logits: ArrayLike<number>, sampling: Sampling, history: History): number {
    const scores = this.#scores;
    scores.set(logits);
    // Before the filters: they rely on it, and keep it so.
    const best = argmax(scores);
    const largest = scores[best] ?? NaN;
    if (!Number.isFinite(largest))
      fail(
        'sampler',
        `the largest logit is ${largest}.`,
        'the weights, or the arithmetic they run in, overflow',
      );
    const changed = penalize(scores, sampling, history);
    if (sampling.temperature < GREEDY_BELOW) return changed ? argmax(scores) : best;
    keepProbable(scores, sampling, changed ? undefined : largest);
    const total = exponentiate(scores);
    const stream = (STREAM ^ sampling.stream) >>> 0;
    return draw(scores, total, uniform({ seed: sampling.seed, stream, start: history.ids.length }));
  }
}

/** Whether any score may have changed. */
function penalize(scores: Float64Array, sampling: Sampling, { ids, promptLength }: History): boolean {
  const { repetitionPenalty, presencePenalty, frequencyPenalty } = sampling;
  if (repetitionPenalty !== 1) penalizeRepetition(scores, ids, repetitionPenalty);
  if (presencePenalty !== 0 || frequencyPenalty !== 0) {
    const generated = Array.prototype.slice.call(ids, promptLength);
    penalizeGenerated(scores, generated, { presence: presencePenalty, frequency: frequencyPenalty });
  }
  return repetitionPenalty !== 1 || presencePenalty !== 0 || frequencyPenalty !== 0;
}

/** `largest` of the scores, where it is known. */
function keepProbable(scores: Float64Array, sampling: Sampling, largest: number | undefined): void {
  const { temperature, topK, topP, minP } = sampling;
  if (temperature !== 1) {
    if (largest === undefined) scaleByTemperature(scores, temperature);
    else divide(scores, temperature, largest);
  }
  if (topK > 0) keepTopK(scores, topK);
  if (topP < 1) keepTopP(scores, topP);
  if (minP > 0) keepMinP(scores, minP);
}

function randomSeed(): number {
  const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2));
  return (high & 0x1fffff) * 2 ** 32 + low;
}
