import { samplingBounds, stopLimits } from '@cria/inference';
import Type, { type Static } from 'typebox';
import type { TextsRequest } from '../protocol.ts';
import { flag, integer, number, optional } from './fields.ts';

/** OpenAI's seeds have 64 bits, of which JSON keeps 53 exactly; those below 0 ask for a new one, as with llama.cpp. */
const SEED_BOUND = 2 ** 63;

/** How the next token is chosen: OpenAI's fields, those that open models share, and llama.cpp's names for them. */
export const samplingFields = {
  temperature: optional(Type.Number({ minimum: 0 }), 'a number from 0 on'),
  top_p: number(0, 1),
  top_k: integer(0, Number.MAX_SAFE_INTEGER),
  min_p: number(0, 1),
  repetition_penalty: number(...samplingBounds.repetitionPenalty),
  repeat_penalty: number(...samplingBounds.repetitionPenalty),
  presence_penalty: number(-2, 2),
  frequency_penalty: number(-2, 2),
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
  return given({
    temperature: body.temperature,
    topP: body.top_p,
    topK: body.top_k,
    minP: body.min_p,
    repetitionPenalty: body.repetition_penalty ?? body.repeat_penalty,
    presencePenalty: body.presence_penalty,
    frequencyPenalty: body.frequency_penalty,
    seed: seedOf(body.seed),
    ignoreEos: body.ignore_eos,
  });
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
