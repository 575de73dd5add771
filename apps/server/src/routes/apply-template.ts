import { chatPrompt } from '../chat/chat.ts';
import { checkModel } from '../compat/openai.ts';
import { postRoute } from '../http/route.ts';
import { engineOf } from '../http/state.ts';
import { TemplateBody } from '../schema/chat.ts';
import { toPromptRequest } from './chat-completions.ts';

/** The prompt that a chat would have, without an answer. */
export const applyTemplate = postRoute({
  path: '/apply-template',
  summary: 'the prompt of a chat as text',
  body: TemplateBody,
  async answer(call) {
    checkModel(call.body.model, engineOf(call.state).facts.id);
    const { prompt } = await chatPrompt(call, toPromptRequest(call.body, true));
    return { prompt: prompt.text };
  },
});
