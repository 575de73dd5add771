import {
  breakerLimits,
  type SamplerName,
  samplerNames,
  samplerOrders,
  samplingBounds,
  stopLimits,
} from '@cria/inference';
import Type, { type Static } from 'typebox';
import type { TextsRequest } from '../protocol.ts';
import { flag, integer, least, number, optional, tokenIds } from './fields.ts';

/** OpenAI's seeds have 64 bits, of which JSON keeps 53 exactly; those below 0 ask for a new one, as with llama.cpp. */
const SEED_BOUND = 2 ** 63;

const MOST = Number.MAX_SAFE_INTEGER;
/** Ids that one request may have biases for. */
const MOST_BIASES = 2048;
const bounds = samplingBounds;

/** llama.cpp's names of samplers; `temp`, `typ_p` and `typical_p` are all in use. */
const samplersByName: Readonly<Record<string, SamplerName>> = {
  penalties: 'penalties',
  dry: 'dry',
  top_n_sigma: 'topNSigma',
  top_k: 'topK',
  typ_p: 'typicalP',
  typical_p: 'typicalP',
  top_p: 'topP',
  min_p: 'minP',
  xtc: 'xtc',
  temperature: 'temperature',
  temp: 'temperature',
};
const orderNames = Object.keys(samplerOrders) as (keyof typeof samplerOrders)[]; // the keys of a constant object

const bias = Type.Number({ minimum: bounds.logitBias[0], maximum: bounds.logitBias[1] });
const biasField = optional(
  Type.Union([
    Type.Record(Type.String({ pattern: '^[0-9]{1,9}$' }), bias, {
      maxProperties: MOST_BIASES,
      additionalProperties: false,
    }),
    Type.Array(Type.Tuple([Type.Integer({ minimum: 0 }), Type.Union([bias, Type.Literal(false)])]), {
      maxItems: MOST_BIASES,
    }),
  ]),
  `an object of token ids and numbers from ${bounds.logitBias.join(' to ')}, or a list of pairs [id, number], ` +
    `where false bans the id; up to ${MOST_BIASES}`,
);
const breakersField = optional(
  Type.Array(Type.String({ minLength: 1, maxLength: breakerLimits.characters }), {
    maxItems: breakerLimits.breakers,
  }),
  `a list of up to ${breakerLimits.breakers} strings, none empty, of ${breakerLimits.characters} characters together`,
);
const samplersField = optional(
  Type.Union([
    Type.Enum(orderNames),
    Type.Array(Type.Enum(Object.keys(samplersByName)), { maxItems: 2 * samplerNames.length }),
  ]),
  `"${orderNames.join('", "')}", or a list of ${Object.keys(samplersByName).join(', ')}`,
);

/** How the next token is chosen: OpenAI's fields, those that open models share, and llama.cpp's names for them. */
export const samplingFields = {
  temperature: least(0),
  top_p: number(0, 1),
  top_k: integer(0, MOST),
  min_p: number(0, 1),
  repetition_penalty: number(...samplingBounds.repetitionPenalty),
  repeat_penalty: number(...samplingBounds.repetitionPenalty),
  presence_penalty: number(-2, 2),
  frequency_penalty: number(-2, 2),
  repeat_last_n: integer(-1, MOST),
  dynatemp_range: least(0),
  dynatemp_exponent: least(0),
  typical_p: number(...bounds.typicalP),
  top_n_sigma: least(-1),
  xtc_probability: number(...bounds.xtcProbability),
  xtc_threshold: number(...bounds.xtcThreshold),
  dry_multiplier: least(0),
  dry_base: least(1),
  dry_allowed_length: integer(0, MOST),
  dry_penalty_last_n: integer(-1, MOST),
  dry_sequence_breakers: breakersField,
  mirostat: integer(0, 2),
  mirostat_tau: number(...bounds.mirostatTau),
  mirostat_eta: number(...bounds.mirostatEta),
  logit_bias: biasField,
  allowed_token_ids: optional(tokenIds, 'a list of at least one token id'),
  min_tokens: integer(0, MOST),
  samplers: samplersField,
  seed: integer(-SEED_BOUND, SEED_BOUND),
  ignore_eos: flag(),
};

export const samplingBody = Type.Object(samplingFields);

/** Strings before which a text ends. */
export const stopField = optional(
  Type.Union([
    Type.String({ minLength: 1, maxLength: stopLimits.length }),
    Type.Array(Type.String({ minLength: 1, maxLength: stopLimits.length }), {
      maxItems: stopLimits.strings,
    }),
  ]),
  `a string, or a list of up to ${stopLimits.strings}, none empty, of ${stopLimits.length} characters together`,
);

export type SamplingBody = Static<typeof samplingBody>;

/**
 * The engine's options. Without a seed all texts of a request still share one, so that their streams
 * differ and nothing else does.
 */
export function samplingOptions(body: SamplingBody): TextsRequest['options'] {
  const { biases, banned } = biasesOf(body.logit_bias);
  return given({
    temperature: body.temperature,
    topP: body.top_p,
    topK: body.top_k,
    minP: body.min_p,
    repetitionPenalty: body.repetition_penalty ?? body.repeat_penalty,
    presencePenalty: body.presence_penalty,
    frequencyPenalty: body.frequency_penalty,
    penaltyLastN: body.repeat_last_n,
    dynamicTemperatureRange: body.dynatemp_range,
    dynamicTemperatureExponent: body.dynatemp_exponent,
    typicalP: body.typical_p,
    // −1 is llama.cpp's word for "off".
    topNSigma: body.top_n_sigma == null ? null : Math.max(0, body.top_n_sigma),
    xtcProbability: body.xtc_probability,
    xtcThreshold: body.xtc_threshold,
    dryMultiplier: body.dry_multiplier,
    dryBase: body.dry_base,
    dryAllowedLength: body.dry_allowed_length,
    dryLastN: body.dry_penalty_last_n,
    drySequenceBreakers: body.dry_sequence_breakers,
    mirostat: body.mirostat,
    mirostatTau: body.mirostat_tau,
    mirostatEta: body.mirostat_eta,
    logitBias: biases,
    bannedIds: banned,
    allowedIds: body.allowed_token_ids,
    minTokens: body.min_tokens,
    samplers: Array.isArray(body.samplers)
      ? body.samplers.flatMap((name) => samplersByName[name] ?? [])
      : body.samplers,
    seed: seedOf(body.seed),
    ignoreEos: body.ignore_eos,
  });
}

/** Of both forms: OpenAI's object, llama.cpp's list, in which false bans an id. */
function biasesOf(field: SamplingBody['logit_bias']): { biases: [number, number][]; banned: number[] } {
  const pairs: [number, number | false][] = Array.isArray(field)
    ? field
    : Object.entries(field ?? {}).map(([id, value]) => [Number(id), value]);
  return {
    biases: pairs.flatMap(([id, value]): [number, number][] => (value === false ? [] : [[id, value]])),
    banned: pairs.flatMap(([id, value]) => (value === false ? [id] : [])),
  };
}

/** Without the fields that are null or undefined, which is "left out". */
export function given<T extends object>(
  fields: T,
): { [Name in keyof T]?: Exclude<T[Name], null | undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value != null)) as never; // the same names
}

/** The engine takes seeds from 0 to 2^53 - 1; larger ones count by their remainder. */
function seedOf(asked: number | null | undefined): number {
  if (asked == null || asked < 0) return Math.floor(Math.random() * 2 ** 53);
  return asked % 2 ** 53;
}
