import { Answer } from '../chat/answer.ts';
import { Chat, type ChatRequest, type ChatStep } from '../chat/chat.ts';
import type { Piece } from '../chat/pieces.ts';
import { type ChatLogProbability, ChatReader } from '../compat/log-probabilities.ts';
import { checkModel, checkStreamOptions, type Head, newHead, oneOf, usageOf } from '../compat/openai.ts';
import { ApiError, isOwnFault, toApiError } from '../http/errors.ts';
import { newId } from '../http/request-id.ts';
import { type Call, postRoute } from '../http/route.ts';
import { dataEvent, DONE, sendEvents } from '../http/sse.ts';
import { engineOf } from '../http/state.ts';
import { ChatBody, type TemplateBody } from '../schema/chat.ts';
import { grammarSpec } from '../schema/grammar.ts';
import { given, samplingOptions } from '../schema/sampling.ts';

/** Answers a chat, whole or streamed. */
export const chatCompletions = postRoute({
  path: '/v1/chat/completions',
  aliases: ['/chat/completions'],
  summary: 'answers a chat, whole or streamed, with tool calls and reasoning',
  body: ChatBody,
  async answer(call) {
    const { body, state, reply } = call;
    const { facts } = engineOf(state);
    checkModel(body.model, facts.id);
    checkStreamOptions(body);
    const chat = await Chat.start(call, toChatRequest(body));
    if (body.stream !== true) return whole(chat, newHead('chatcmpl-', 'chat.completion', facts), call);
    const head = newHead('chatcmpl-', 'chat.completion.chunk', facts);
    return sendEvents(reply, events(chat, head, call), state.pingInterval);
  },
});

/** The whole answer as one object. */
async function whole(
  chat: Chat,
  head: Head<'chat.completion'>,
  { body, state }: Call<ChatBody>,
): Promise<object> {
  const answers = Array.from({ length: body.n ?? 1 }, () => new Answer());
  const likely = answers.map((): ChatLogProbability[] => []);
  const reader = new ChatReader(state.desk);
  const reasons: ChatStep['finishReason'][] = [];
  for await (const { index, pieces, logProbabilities = [], finishReason } of chat.steps()) {
    for (const piece of pieces) answers[index]?.add(piece);
    for (const each of await reader.read(logProbabilities)) likely[index]?.push(each);
    reasons[index] = finishReason;
  }
  const choices = answers.map((answer, index) => ({
    index,
    message: messageOf(answer),
    logprobs: body.logprobs ? { content: likely[index], refusal: null } : null,
    finish_reason: reasons[index],
  }));
  return { ...head, choices, usage: usageOf(chat.texts.totals) };
}

/** An answer as OpenAI's message; `content` is null where the model only calls. */
function messageOf({ content, reasoning, calls }: Answer): object {
  return {
    role: 'assistant',
    content: content === '' && calls.length > 0 ? null : content,
    refusal: null,
    ...(reasoning !== '' && { reasoning_content: reasoning }),
    ...(calls.length > 0 && {
      tool_calls: calls.map(({ id, name, arguments: text }) => ({
        id,
        type: 'function',
        function: { name, arguments: text },
      })),
    }),
  };
}

/** Each answer begins with its role and ends with its reason; an error is the last event. */
async function* events(
  chat: Chat,
  head: Head<'chat.completion.chunk'>,
  { body, state }: Call<ChatBody>,
): AsyncGenerator<string> {
  const { include_usage: atEnd, continuous_usage_stats: always } = body.stream_options ?? {};
  const reader = new ChatReader(state.desk);
  /** Told with the next event of an answer. */
  let likely: ChatLogProbability[] = [];
  const chunk = (index: number, delta: object, finishReason: ChatStep['finishReason'] | null = null) => {
    const usage = always ? { usage: usageOf(chat.texts.totals) } : atEnd ? { usage: null } : {};
    const logprobs = likely.length > 0 ? { content: likely, refusal: null } : null;
    likely = [];
    const choice = { index, delta, logprobs, finish_reason: finishReason };
    return dataEvent({ ...head, choices: [choice], ...usage });
  };
  try {
    for (let index = 0; index < chat.texts.count; index++)
      yield chunk(index, { role: 'assistant', content: '' });
    for await (const { index, pieces, logProbabilities = [], finishReason } of chat.steps()) {
      likely = await reader.read(logProbabilities);
      for (const piece of pieces) yield chunk(index, deltaOf(piece));
      if (likely.length > 0 && !finishReason) yield chunk(index, {});
      if (finishReason) yield chunk(index, {}, finishReason);
    }
    if (atEnd) yield dataEvent({ ...head, choices: [], usage: usageOf(chat.texts.totals) });
    yield DONE;
  } catch (error) {
    if (isOwnFault(error)) state.onError(error);
    yield dataEvent(toApiError(error).body);
  }
}

/** What one piece adds to a message. Name and id of a call come once, with its beginning. */
function deltaOf(piece: Piece): object {
  if (piece.kind === 'content') return { content: piece.text };
  if (piece.kind === 'reasoning') return { reasoning_content: piece.text };
  const { call: index } = piece;
  if (piece.kind === 'arguments') return { tool_calls: [{ index, function: { arguments: piece.text } }] };
  const begun = { id: newId('call_'), type: 'function', function: { name: piece.name, arguments: '' } };
  return { tool_calls: [{ index, ...begun }] };
}

function toChatRequest(body: ChatBody): ChatRequest {
  const maxTokens = oneOf(body, ['max_tokens', 'max_completion_tokens']);
  const grammar = grammarSpec(body);
  return {
    ...toPromptRequest(body, body.tool_choice !== 'none'),
    n: body.n ?? 1,
    options: {
      ...samplingOptions(body),
      ...given({ maxTokens, stop: body.stop, logProbabilities: topOf(body) }),
    },
    ...(grammar && { grammar }),
    keepThoughts: body.reasoning_format === 'none',
  };
}

/** How many likeliest tokens are told at each place; none where log-probabilities are not. @throws ApiError */
function topOf({ logprobs, top_logprobs: top }: ChatBody): number | undefined {
  if (logprobs === true) return top ?? 0;
  if ((top ?? 0) === 0) return undefined;
  const message = `top_logprobs is ${top}, and logprobs is not true. hint: give logprobs: true`;
  throw new ApiError(400, message, { code: 'invalid_value', param: 'top_logprobs' });
}

/** The part of a body that makes the prompt. @throws ApiError for two ends of it that exclude each other */
export function toPromptRequest(body: TemplateBody | ChatBody, withTools: boolean) {
  const { add_generation_prompt: begin, continue_final_message: goOn } = body;
  if (begin === true && goOn === true) {
    const message =
      'an answer is either begun or continued. hint: give add_generation_prompt or continue_final_message';
    throw new ApiError(400, message, { code: 'invalid_value', param: 'continue_final_message' });
  }
  return {
    messages: body.messages,
    tools: withTools ? (body.tools ?? []) : [],
    variables: (body.chat_template_kwargs ?? {}) as Readonly<Record<string, unknown>>, // an object, says the schema
    addGenerationPrompt: begin ?? true,
    continueFinal: goOn ?? begin !== false,
  };
}
