import { fingerprintOf } from '../compat/openai.ts';
import { getRoute } from '../http/route.ts';
import { engineOf } from '../http/state.ts';

/** What holds for a request that says nothing, as the engine has it. */
export const defaultSettings = {
  temperature: 1,
  top_k: 0,
  top_p: 1,
  min_p: 0,
  repeat_penalty: 1,
  presence_penalty: 0,
  frequency_penalty: 0,
  seed: -1,
} as const;

/** What llama.cpp's clients ask of a server before they use it. */
export const props = getRoute({
  path: '/props',
  summary: 'the settings that hold by default, and the chat template',
  async answer({ state }) {
    const { facts } = engineOf(state);
    const { chatTemplate, bosToken, eosToken } = await state.desk.about();
    return {
      default_generation_settings: { n_ctx: facts.contextLength, params: defaultSettings },
      total_slots: facts.maxSequences,
      model_alias: facts.id,
      model_path: facts.id,
      chat_template: chatTemplate ?? '',
      bos_token: bosToken,
      eos_token: eosToken,
      modalities: { vision: false, audio: false },
      build_info: fingerprintOf(facts),
      is_sleeping: false,
    };
  },
});
