import type { Embedding } from '@cria/inference';
import { checkModel } from '../compat/openai.ts';
import { takePlaces } from '../http/auth.ts';
import { postRoute } from '../http/route.ts';
import { engineOf } from '../http/state.ts';
import { EmbeddingsBody } from '../schema/embeddings.ts';
import { given } from '../schema/sampling.ts';
import { listPrompts } from './completions.ts';

/** Vectors of texts: what the last layer says of their tokens, pooled. */
export const embeddings = postRoute({
  path: '/v1/embeddings',
  aliases: ['/embeddings'],
  summary: 'the vector of one or more texts',
  body: EmbeddingsBody,
  async answer({ body, state, reply, request }) {
    const engine = engineOf(state);
    checkModel(body.model, engine.facts.id);
    const prompts = listPrompts(body.input);
    const giveBack = takePlaces(state.keys, request, prompts.length);
    const gone = new AbortController();
    reply.raw.once('close', () => {
      giveBack();
      gone.abort();
    });
    const options = given({ pool: body.pooling, normalize: body.normalize });
    const found = await engine.embed({ prompts, options }, gone.signal).catch((error: unknown) => {
      if (gone.signal.aborted) return undefined;
      throw error;
    });
    if (!found) return undefined; // nobody reads the answer
    const tokens = found.reduce((sum, { usage }) => sum + usage.promptTokens, 0);
    return {
      object: 'list',
      data: found.map((embedding, index) => ({
        object: 'embedding',
        index,
        embedding: encoded(embedding, body.encoding_format === 'base64'),
      })),
      model: engine.facts.id,
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    };
  },
});

/** OpenAI's clients ask for base64, a fifth of the bytes of a list. */
function encoded({ vector }: Embedding, base64: boolean): number[] | string {
  if (!base64) return [...vector];
  const bytes = Buffer.alloc(4 * vector.length);
  for (const [i, value] of vector.entries()) bytes.writeFloatLE(value, 4 * i);
  return bytes.toString('base64');
}
