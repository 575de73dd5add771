import { checkModel, fingerprintOf } from '../compat/openai.ts';
import { getRoute } from '../http/route.ts';
import { engineOf, type ServerState } from '../http/state.ts';

const created = Math.floor(Date.now() / 1000);

/** The model, with its facts in llama.cpp's place for them. */
export const models = getRoute({
  path: '/v1/models',
  aliases: ['/models'],
  summary: 'the model that is served, with its facts under meta',
  answer: ({ state }) => ({ object: 'list', data: [describe(state)] }),
});

export const model = getRoute({
  path: '/v1/models/:id',
  aliases: ['/models/:id'],
  summary: 'one model',
  answer({ state, request }) {
    const { id } = request.params as { id: string }; // the path has it
    checkModel(id, engineOf(state).facts.id);
    return describe(state);
  },
});

function describe(state: ServerState): object {
  const { facts } = engineOf(state);
  const { id, ...meta } = facts;
  const llama = {
    n_vocab: meta.vocabSize,
    n_ctx_train: meta.contextLength,
    n_embd: meta.dim,
    n_params: meta.parameters,
  };
  return {
    id,
    object: 'model',
    created,
    owned_by: 'cria',
    max_model_len: meta.contextLength,
    system_fingerprint: fingerprintOf(facts),
    meta: { ...meta, ...llama },
  };
}
