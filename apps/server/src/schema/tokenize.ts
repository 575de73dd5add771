import Type from 'typebox';
import { flag, text } from './fields.ts';

const parts = Type.Union(
  [Type.String(), Type.Array(Type.Union([Type.String(), Type.Integer({ minimum: 0 })]))],
  {
    description: 'a string, or a list of strings and token ids',
  },
);

/** llama.cpp's names first, vLLM's beside them. */
export const TokenizeBody = Type.Object(
  {
    content: Type.Optional(parts),
    prompt: Type.Optional(parts),
    model: text(),
    add_special: flag(),
    add_special_tokens: flag(),
    parse_special: flag(),
    with_pieces: flag(),
    return_token_strs: flag(),
  },
  { additionalProperties: false },
);

export const DetokenizeBody = Type.Object(
  {
    tokens: Type.Array(Type.Integer({ minimum: 0 }), { description: 'a list of token ids' }),
    model: text(),
  },
  { additionalProperties: false },
);
