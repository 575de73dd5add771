import { checkModel } from '../compat/openai.ts';
import { utf8 } from '../compat/utf8.ts';
import { ApiError } from '../http/errors.ts';
import { type Call, postRoute } from '../http/route.ts';
import { engineOf } from '../http/state.ts';
import { DetokenizeBody, TokenizeBody } from '../schema/tokenize.ts';

/** Ids of a text, for llama.cpp's clients and for vLLM's: what the two ask and are told has different names. */
export const tokenize = postRoute({
  path: '/tokenize',
  aliases: ['/v1/tokenize'],
  summary: 'the token ids of a text',
  body: TokenizeBody,
  async answer({ state, body }) {
    const { facts } = engineOf(state);
    checkModel(body.model, facts.id);
    const content = body.content ?? body.prompt;
    if (content === undefined)
      throw new ApiError(400, 'content is missing. hint: give a string', {
        code: 'missing_field',
        param: 'content',
      });
    const vllm = body.content === undefined;
    const ids = await state.desk.do({
      kind: 'tokenize',
      parts: typeof content === 'string' ? [content] : content,
      addSpecial: body.add_special ?? body.add_special_tokens ?? vllm,
      parseSpecial: body.parse_special ?? true,
    });
    const tokens = [...ids];
    if (vllm) {
      const strings = body.return_token_strs ? (await piecesOf(state, tokens)).map(String) : null;
      return { tokens, count: tokens.length, max_model_len: facts.contextLength, token_strs: strings };
    }
    if (!body.with_pieces) return { tokens };
    const pieces = await piecesOf(state, tokens);
    return { tokens: tokens.map((id, i) => ({ id, piece: pieces[i] })) };
  },
});

export const detokenize = postRoute({
  path: '/detokenize',
  aliases: ['/v1/detokenize'],
  summary: 'the text of token ids',
  body: DetokenizeBody,
  async answer({ state, body }) {
    checkModel(body.model, engineOf(state).facts.id);
    const content = await state.desk.do({ kind: 'detokenize', ids: body.tokens });
    return { content, prompt: content };
  },
});

/** A piece as text; as a list of bytes where it is only part of a character. */
async function piecesOf({ desk }: Call['state'], ids: readonly number[]): Promise<(string | number[])[]> {
  const pieces = await desk.do({ kind: 'pieces', ids });
  return pieces.map((bytes) => utf8(bytes) ?? [...bytes]);
}
