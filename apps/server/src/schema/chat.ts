import Type, { type Static } from 'typebox';
import { MOST_TOP } from '../compat/log-probabilities.ts';
import { MAX_CHOICES, MAX_MESSAGES, MAX_TOOLS } from '../http/limits.ts';
import { streamOptions } from './completion.ts';
import { flag, integer, optional, text } from './fields.ts';
import { grammarFields } from './grammar.ts';
import { samplingFields, stopField } from './sampling.ts';

/** A part of a message's content; what is no text is refused where the prompt is made, with the message's number. */
const part = Type.Object({ type: Type.String(), text: Type.Optional(Type.String()) });

/** A call that the model made before; OpenAI's clients send its arguments as the text of JSON. */
const toolCall = Type.Object({
  id: text(),
  type: Type.Optional(Type.Literal('function')),
  function: Type.Object({
    name: Type.String(),
    arguments: Type.Union([Type.String(), Type.Object({})]),
  }),
});

/** A message; fields that only its sender knows are let through and left out of the prompt. */
export const message = Type.Object({
  role: Type.String({ minLength: 1, maxLength: 64 }),
  content: Type.Optional(Type.Union([Type.String(), Type.Array(part), Type.Null()])),
  name: text(),
  tool_call_id: text(),
  tool_calls: Type.Optional(Type.Union([Type.Array(toolCall, { maxItems: MAX_TOOLS }), Type.Null()])),
  reasoning_content: text(),
});

/** A function that the model may call. */
export const tool = Type.Object({
  type: Type.Literal('function'),
  function: Type.Object({
    name: Type.String({ minLength: 1, maxLength: 256 }),
    description: text(),
    parameters: Type.Optional(Type.Union([Type.Object({}), Type.Null()])),
  }),
});

export const messagesField = Type.Array(message, {
  minItems: 1,
  maxItems: MAX_MESSAGES,
  description: 'a list of { role, content }, where content is a string or a list of text parts',
});

export const toolsField = optional(
  Type.Array(tool, { maxItems: MAX_TOOLS }),
  `a list of up to ${MAX_TOOLS} { "type": "function", "function": { name, description, parameters } }`,
);

/** What makes a prompt of a chat. */
export const promptFields = {
  messages: messagesField,
  tools: toolsField,
  add_generation_prompt: flag(),
  continue_final_message: flag(),
  chat_template_kwargs: optional(Type.Object({}), 'an object of variables for the chat template'),
};

/** The body of POST /v1/chat/completions. */
export const ChatBody = Type.Object(
  {
    ...promptFields,
    model: text(),
    tool_choice: optional(
      Type.Union([Type.Literal('auto'), Type.Literal('none')]),
      '"auto" or "none": this server cannot force a call yet',
    ),
    parallel_tool_calls: optional(Type.Literal(true), 'true: this server does not limit calls'),
    reasoning_format: optional(
      Type.Union([Type.Literal('auto'), Type.Literal('deepseek'), Type.Literal('none')]),
      '"auto" or "deepseek" (thoughts go into reasoning_content), or "none" (they stay in the text)',
    ),
    max_tokens: integer(0, Number.MAX_SAFE_INTEGER),
    max_completion_tokens: integer(0, Number.MAX_SAFE_INTEGER),
    ...samplingFields,
    ...grammarFields,
    stop: stopField,
    logprobs: flag(),
    top_logprobs: integer(0, MOST_TOP),
    n: integer(1, MAX_CHOICES),
    stream: flag(),
    stream_options: streamOptions,
  },
  { additionalProperties: false },
);

export type ChatBody = Static<typeof ChatBody>;

/** The body of POST /apply-template. */
export const TemplateBody = Type.Object({ ...promptFields, model: text() }, { additionalProperties: false });
export type TemplateBody = Static<typeof TemplateBody>;

export type BodyMessage = Static<typeof message>;
export type Tool = Static<typeof tool>;
