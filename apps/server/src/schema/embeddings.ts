import Type, { type Static } from 'typebox';
import { promptField } from './completion.ts';
import { flag, optional, text } from './fields.ts';

/** The body of POST /v1/embeddings. */
export const EmbeddingsBody = Type.Object(
  {
    // OpenAI's word for what completions call prompt; the same forms.
    input: promptField,
    model: text(),
    encoding_format: optional(
      Type.Union([Type.Literal('float'), Type.Literal('base64')]),
      '"float" (a list of numbers) or "base64" (32-bit floats, little-endian)',
    ),
    // Not OpenAI's, whose models have one way each: a model that was trained to write has none of its own.
    pooling: optional(
      Type.Union([Type.Literal('mean'), Type.Literal('last'), Type.Literal('cls')]),
      '"mean" of all tokens, "last" or "cls" (the first)',
    ),
    // Length 1, so that the inner product of two is the cosine between them.
    normalize: flag(),
  },
  { additionalProperties: false },
);

export type EmbeddingsBody = Static<typeof EmbeddingsBody>;
