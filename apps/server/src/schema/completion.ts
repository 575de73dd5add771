import Type, { type Static } from 'typebox';
import { MOST_TOP } from '../compat/log-probabilities.ts';
import { MAX_CHOICES, MAX_PROMPTS } from '../http/limits.ts';
import { flag, integer, optional, text, tokenIds } from './fields.ts';
import { grammarFields } from './grammar.ts';
import { samplingFields, stopField } from './sampling.ts';

/** What a stream tells besides its text. */
export const streamOptions = optional(
  Type.Object(
    { include_usage: flag(), continuous_usage_stats: flag(), include_obfuscation: flag() },
    { additionalProperties: false },
  ),
  'an object with include_usage, continuous_usage_stats and include_obfuscation, each true or false',
);

/** A text, ids, or a list in which each prompt is either. Lists of numbers alone are one prompt. */
export const promptField = Type.Union(
  [
    Type.String(),
    tokenIds,
    Type.Array(Type.Union([Type.String(), tokenIds]), { minItems: 1, maxItems: MAX_PROMPTS }),
  ],
  { description: 'a string, a list of token ids, or a list of either' },
);

/** The body of POST /v1/completions. */
export const CompletionBody = Type.Object(
  {
    prompt: promptField,
    model: text(),
    max_tokens: integer(0, Number.MAX_SAFE_INTEGER),
    max_completion_tokens: integer(0, Number.MAX_SAFE_INTEGER),
    ...samplingFields,
    stop: stopField,
    ...grammarFields,
    echo: flag(),
    logprobs: integer(0, MOST_TOP),
    n: integer(1, MAX_CHOICES),
    best_of: optional(
      Type.Integer({ minimum: 0, maximum: MAX_CHOICES }),
      'n, 1 or 0: this server makes as many texts as n asks for',
    ),
    stream: flag(),
    stream_options: streamOptions,
  },
  { additionalProperties: false },
);

export type CompletionBody = Static<typeof CompletionBody>;
