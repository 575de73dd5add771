import { penalizeSeen } from '@cria/tensor';
import type { CountRule } from './counts.ts';
import type { Sampling } from './options.ts';
import type { Stage } from './stage.ts';

/**
 * Repetition (Keskar et al. 2019, §4.1: of ids in the prompt and the text), presence and frequency
 * penalties (OpenAI's: of generated ids). With a window all three count the last n ids of both, as
 * llama.cpp does. Undefined where none of them does anything.
 */
export function penaltiesOf(sampling: Sampling): { stage: Stage; rule: CountRule } | undefined {
  const { repetitionPenalty: repetition, presencePenalty: presence, penaltyLastN } = sampling;
  const frequency = sampling.frequencyPenalty;
  if ((repetition === 1 && presence === 0 && frequency === 0) || penaltyLastN === 0) return undefined;
  const lastN = penaltyLastN === -1 ? undefined : penaltyLastN;
  return {
    rule: { lastN, prompt: penaltyLastN !== undefined },
    stage(scores, { state }) {
      if (state.counts) penalizeSeen(scores, state.counts, { repetition, presence, frequency });
    },
  };
}
