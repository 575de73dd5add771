import { getRoute } from '../http/route.ts';
import { engineOf } from '../http/state.ts';
import { gaugesOf } from './metrics.ts';

/**
 * Places for texts that are made together, as llama.cpp lists them. They have no texts of their own
 * here: a cache is shared by all.
 */
export const slots = getRoute({
  path: '/slots',
  summary: 'places for texts, and which of them are taken',
  answer({ state }) {
    const { facts } = engineOf(state);
    const { running } = gaugesOf(state);
    return Array.from({ length: facts.maxSequences }, (_, id) => ({
      id,
      n_ctx: facts.contextLength,
      speculative: false,
      is_processing: id < running,
    }));
  },
});
