import type { Tokenizer } from '@cria/tokenizer';
import { invalidField } from '../request-error.ts';
import { breakersOf, checkBreakers, DEFAULT_BREAKERS } from './dry-breakers.ts';
import { checkOrder, type SamplerName, type SamplerOrder } from './order.ts';

/**
 * How the next token is chosen. Applied in Hugging Face's order unless `samplers` says otherwise:
 * biases, penalties, temperature, truncation, draw. What is left out does nothing.
 */
export interface SamplingOptions {
  /**
   * Divides the logits; below 1e-5 (so 0 too) the most probable token is taken, the lowest id of
   * equals. Default 1.
   */
  readonly temperature?: number;
  /**
   * The temperature lies so far around `temperature`, lower where the model is sure, higher where
   * it is not; 0 = fixed. Default 0.
   */
  readonly dynamicTemperatureRange?: number;
  /**
   * Power of the entropy, as a share of the most there could be, that decides where in that range.
   * From 0 on; default 1.
   */
  readonly dynamicTemperatureExponent?: number;
  /** Only the k most probable tokens, and all equal to the last of them; 0 = all. Default 0. */
  readonly topK?: number;
  /**
   * Only the most probable tokens that together reach this probability. 0 to 1, 1 = all. Default 1.
   */
  readonly topP?: number;
  /** Only tokens at least this many times as probable as the first. 0 to 1, 0 = all. Default 0. */
  readonly minP?: number;
  /**
   * Only the tokens whose surprise is nearest to the mean one, of this probability together. 0 to
   * 1, 1 = all. Default 1.
   */
  readonly typicalP?: number;
  /**
   * Only tokens at most so many standard deviations of the scores below the best; 0 = all. Default
   * 0.
   */
  readonly topNSigma?: number;
  /**
   * How often the most probable tokens are left out, all but the last that reaches `xtcThreshold`.
   * 0 to 1; default 0.
   */
  readonly xtcProbability?: number;
  /** 0 to 1; above 0.5 no two tokens can reach it, and nothing happens. Default 0.1. */
  readonly xtcThreshold?: number;
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
   * The three penalties look at the last n ids, the prompt's among them, as in llama.cpp; −1 = at
   * all of them. Default as said above.
   */
  readonly penaltyLastN?: number;
  /**
   * Subtracted, times a power of `dryBase`, from logits of ids that would continue a repetition; 0
   * = off. From 0 on; default 0.
   */
  readonly dryMultiplier?: number;
  /** From 1 on; default 1.75. */
  readonly dryBase?: number;
  /**
   * Repetitions of so many ids cost `dryMultiplier`, and each further id `dryBase` times more;
   * shorter ones nothing. Default 2.
   */
  readonly dryAllowedLength?: number;
  /** Repetitions are looked for among the last n ids; −1 = all, 0 = none. Default −1. */
  readonly dryLastN?: number;
  /**
   * Texts or id sequences that repetitions do not reach across. Default `\n`, `:`, `"` and `*`;
   * none where no tokenizer is known.
   */
  readonly drySequenceBreakers?: readonly (string | readonly number[])[];
  /**
   * 1 or 2: keep the surprise of the text near `mirostatTau` instead of truncating (Basu et al.
   * 2021); 0 = off. Default 0.
   */
  readonly mirostat?: number;
  /** Bits. 0 to 100; default 5. */
  readonly mirostatTau?: number;
  /** How fast it adapts. 0 to 10; default 0.1. */
  readonly mirostatEta?: number;
  /** Added to the logits of ids: −100 to 100 each. */
  readonly logitBias?: readonly (readonly [id: number, bias: number])[];
  /** Never chosen. */
  readonly bannedIds?: readonly number[];
  /** Nothing but these is chosen. Default all. */
  readonly allowedIds?: readonly number[];
  /** Ids that end the text are not chosen before so many others. Default 0. */
  readonly minTokens?: number;
  /**
   * `huggingface`, `llama.cpp`, or a list of samplers in the order wanted; what it leaves out is
   * not applied. Default `huggingface`.
   */
  readonly samplers?: SamplerOrder;
  /**
   * The draws are a function of (seed, stream, position) and the model alone. Whole, 0 to 2^53 − 1;
   * default a random one.
   */
  readonly seed?: number;
  /** Independent draws under one seed. Whole, 0 to 2^32 − 1; default 0. */
  readonly stream?: number;
}

type Numbers = {
  [
    Name in keyof SamplingOptions as SamplingOptions[Name] extends number | undefined ? Name : never
  ]-?: number;
};

/** Options that were checked, with every default filled in. */
export interface Sampling extends Omit<Numbers, 'penaltyLastN'> {
  /** Undefined: the whole text for each, the prompt for repetition alone. */
  readonly penaltyLastN: number | undefined;
  readonly drySequenceBreakers: readonly (readonly number[])[];
  readonly logitBias: readonly (readonly [id: number, bias: number])[];
  readonly bannedIds: readonly number[];
  readonly allowedIds: readonly number[] | undefined;
  readonly samplers: readonly SamplerName[];
}

interface Check {
  readonly holds: (value: number) => boolean;
  readonly what: string;
  readonly default: () => number;
}
const between = (low: number, high: number, standard: number): Check => ({
  holds: (value) => value >= low && value <= high,
  what: `a number from ${low} to ${high}`,
  default: () => standard,
});
const from = (low: number, standard: number): Check => ({
  holds: (value) => value >= low && value < Infinity,
  what: `a number from ${low} on`,
  default: () => standard,
});
const whole = (low: number, high: number, standard: () => number): Check => ({
  holds: (value) => Number.isInteger(value) && value >= low && value <= high,
  what: `a whole number from ${low} to ${high}`,
  default: standard,
});
const { MAX_SAFE_INTEGER } = Number;

/** Least and largest value of the options that have both; what servers say in their schemas. */
export const samplingBounds = {
  topP: [0, 1],
  minP: [0, 1],
  typicalP: [0, 1],
  xtcProbability: [0, 1],
  xtcThreshold: [0, 1],
  // Beyond these a text is decided by what was said before alone; and 1e-308 would make infinities of ordinary logits.
  repetitionPenalty: [0.01, 100],
  presencePenalty: [-2, 2],
  frequencyPenalty: [-2, 2],
  mirostatTau: [0, 100],
  mirostatEta: [0, 10],
  logitBias: [-100, 100],
} as const;
const bounds = samplingBounds;

const checks: Readonly<Record<keyof Numbers, Check>> = {
  temperature: from(0, 1),
  dynamicTemperatureRange: from(0, 0),
  dynamicTemperatureExponent: from(0, 1),
  topK: whole(0, MAX_SAFE_INTEGER, () => 0),
  topP: between(...bounds.topP, 1),
  minP: between(...bounds.minP, 0),
  typicalP: between(...bounds.typicalP, 1),
  topNSigma: from(0, 0),
  xtcProbability: between(...bounds.xtcProbability, 0),
  xtcThreshold: between(...bounds.xtcThreshold, 0.1),
  repetitionPenalty: between(...bounds.repetitionPenalty, 1),
  presencePenalty: between(...bounds.presencePenalty, 0),
  frequencyPenalty: between(...bounds.frequencyPenalty, 0),
  penaltyLastN: whole(-1, MAX_SAFE_INTEGER, () => NaN),
  dryMultiplier: from(0, 0),
  dryBase: from(1, 1.75),
  dryAllowedLength: whole(0, MAX_SAFE_INTEGER, () => 2),
  dryLastN: whole(-1, MAX_SAFE_INTEGER, () => -1),
  mirostat: whole(0, 2, () => 0),
  mirostatTau: between(...bounds.mirostatTau, 5),
  mirostatEta: between(...bounds.mirostatEta, 0.1),
  minTokens: whole(0, MAX_SAFE_INTEGER, () => 0),
  seed: whole(0, MAX_SAFE_INTEGER, randomSeed),
  stream: whole(0, 2 ** 32 - 1, () => 0),
};
const numberNames = Object.keys(checks) as (keyof Numbers)[]; // the keys of a constant object

/** Names of all sampling options, for those who take them from users. */
export const samplingNames: readonly (keyof SamplingOptions)[] = [
  ...numberNames,
  'drySequenceBreakers',
  'logitBias',
  'bannedIds',
  'allowedIds',
  'samplers',
];

/** What the options are checked against, as far as it is known. */
export interface SamplingContext {
  /** Ids there are. */
  readonly vocabSize?: number;
  /** For sequence breakers that are texts. */
  readonly tokenizer?: Tokenizer;
}

/** Checks every option and fills in the defaults. @throws RequestError that names the option */
export function resolveSampling(
  op: string,
  options: SamplingOptions,
  { tokenizer, vocabSize = tokenizer?.vocabSize ?? Infinity }: SamplingContext = {},
): Sampling {
  const resolve = (name: keyof Numbers): number => {
    const value: unknown = options[name];
    const check = checks[name];
    if (value === undefined) return check.default();
    if (typeof value === 'number' && check.holds(value)) return value;
    throw invalidField(op, name, value, check.what);
  };
  const numbers = Object.fromEntries(numberNames.map((name) => [name, resolve(name)])) as Numbers; // one entry per name
  const dries = numbers.dryMultiplier > 0;
  const breakers = options.drySequenceBreakers ?? (tokenizer ? DEFAULT_BREAKERS : []);
  checkBreakers(op, breakers, tokenizer !== undefined);
  return {
    ...numbers,
    penaltyLastN: Number.isNaN(numbers.penaltyLastN) ? undefined : numbers.penaltyLastN,
    drySequenceBreakers: dries ? breakersOf(breakers, tokenizer) : [],
    logitBias: biasesOf(op, options.logitBias ?? [], vocabSize),
    bannedIds: idsOf(op, 'bannedIds', options.bannedIds ?? [], vocabSize),
    allowedIds: options.allowedIds && idsOf(op, 'allowedIds', options.allowedIds, vocabSize),
    samplers: checkOrder(op, options.samplers ?? 'huggingface'),
  };
}

const isId = (value: unknown, vocabSize: number) =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < vocabSize;
const idsText = (vocabSize: number) =>
  vocabSize === Infinity ? 'token ids' : `token ids from 0 to ${vocabSize - 1}`;

function idsOf(op: string, name: string, ids: readonly number[], vocabSize: number): readonly number[] {
  const list: unknown = ids;
  if (!Array.isArray(list)) throw invalidField(op, name, list, `a list of ${idsText(vocabSize)}`);
  const wrong: unknown = list.find((id) => !isId(id, vocabSize));
  if (wrong !== undefined || (name === 'allowedIds' && list.length === 0))
    throw invalidField(op, name, wrong ?? [], `a list of ${idsText(vocabSize)}`);
  return ids;
}

function biasesOf(
  op: string,
  biases: NonNullable<SamplingOptions['logitBias']>,
  vocabSize: number,
): Sampling['logitBias'] {
  const [least, most] = bounds.logitBias;
  const what = `a list of pairs [id, bias], ${idsText(vocabSize)} and numbers from ${least} to ${most}`;
  const list: unknown = biases;
  if (!Array.isArray(list)) throw invalidField(op, 'logitBias', list, what);
  for (const pair of list as unknown[]) {
    const [id, bias] = (Array.isArray(pair) ? pair : []) as unknown[];
    if (!isId(id, vocabSize) || !(typeof bias === 'number' && bias >= least && bias <= most))
      throw invalidField(op, 'logitBias', pair, what);
  }
  // The last one of an id counts.
  return [...new Map(biases)];
}

function randomSeed(): number {
  const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2));
  return (high & 0x1fffff) * 2 ** 32 + low;
}
