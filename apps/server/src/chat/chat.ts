import type { FinishReason, TokenLogProbability } from '@cria/inference';
import { ApiError } from '../http/errors.ts';
import type { Call } from '../http/route.ts';
import { engineOf } from '../http/state.ts';
import type { TextsRequest } from '../protocol.ts';
import type { BodyMessage, Tool } from '../schema/chat.ts';
import { Texts } from '../texts.ts';
import type { ChatPrompt } from './desk-protocol.ts';
import { type Family, familyOf } from './family.ts';
import { checkDepth, templateChat } from './messages.ts';
import type { Piece, PieceReader } from './pieces.ts';
import { plainReader, ReasoningReader } from './reasoning.ts';
import { toolReader } from './tools.ts';

/** What makes a prompt of a chat. */
export interface ChatPromptRequest {
  readonly messages: readonly BodyMessage[];
  readonly tools: readonly Tool[];
  /** Further variables of the template. */
  readonly variables: Readonly<Record<string, unknown>>;
  /** End with the beginning of an answer; default true. */
  readonly addGenerationPrompt?: boolean;
  /** Whether a last message of the assistant is the beginning of the answer; default true. */
  readonly continueFinal?: boolean;
}

/** A chat to be answered. */
export interface ChatRequest extends ChatPromptRequest {
  readonly n: number;
  readonly options: TextsRequest['options'];
  /** What the answer must be, thoughts and calls excluded. */
  readonly grammar?: NonNullable<TextsRequest['grammar']>;
  /** Leave thoughts in the text. */
  readonly keepThoughts?: boolean;
}

/** What came of one of the answers. */
export interface ChatStep {
  readonly index: number;
  readonly pieces: readonly Piece[];
  /** Of the tokens since the step before, where they were asked for. */
  readonly logProbabilities?: readonly TokenLogProbability[];
  /** In the last step of an answer. */
  readonly finishReason?: FinishReason | 'tool_calls';
}

/** The prompt of a chat, by the model's own template. @throws ApiError */
export async function chatPrompt(
  { state }: Call,
  request: ChatPromptRequest,
): Promise<{ readonly prompt: ChatPrompt; readonly family: Family }> {
  const { facts } = engineOf(state);
  for (const field of ['messages', 'tools'] as const) checkDepth(field, request[field]);
  checkDepth('chat_template_kwargs', request.variables);
  const { chatTemplate = '' } = await state.desk.about();
  const family = familyOf(chatTemplate);
  const { tools, variables, continueFinal = true, addGenerationPrompt = true } = request;
  if (chatTemplate !== '' && tools.length > 0 && !family.calls) {
    const message = `the chat template of ${facts.id} has no tools that this server knows. hint: leave tools out`;
    throw new ApiError(400, message, { code: 'unsupported_field', param: 'tools' });
  }
  const { messages, prefill } = templateChat(request.messages, family, continueFinal);
  if (messages.length === 0)
    throw new ApiError(400, 'the chat is an answer alone. hint: begin with a message of the user', {
      code: 'invalid_value',
      param: 'messages',
    });
  const prompt = await state.desk.do({
    kind: 'chat',
    messages,
    options: { addGenerationPrompt, prefill, variables, ...(tools.length > 0 && { tools }) },
    limit: facts.contextLength,
  });
  return { prompt, family };
}

/** Answers to a chat on their way, read into their parts. */
export class Chat {
  readonly texts: Texts;
  readonly #readers: readonly PieceReader[];

  /** @throws ApiError, RequestError, EngineFailure */
  static async start(call: Call, request: ChatRequest): Promise<Chat> {
    const { n, options, tools, keepThoughts, grammar } = request;
    if (grammar && tools.length > 0) {
      const message = 'an answer that must have a form cannot call tools. hint: give the form or tools';
      throw new ApiError(400, message, { code: 'unsupported_field', param: 'tools' });
    }
    const { prompt, family } = await chatPrompt(call, request);
    const texts = await Texts.start(call, {
      prompts: [[...prompt.ids]],
      n,
      options,
      ...(grammar && { grammar }),
    });
    const names = new Set(tools.map((tool) => tool.function.name));
    const reader = () => {
      const answer = family.calls && names.size > 0 ? toolReader(family.calls, names) : plainReader();
      // A text that is held to a form has no thoughts before it.
      if (!family.thinks || keepThoughts || grammar) return answer;
      return new ReasoningReader(answer, /<think>\s*$/.test(prompt.text));
    };
    return new Chat(
      texts,
      Array.from({ length: n }, () => reader()),
    );
  }

  private constructor(texts: Texts, readers: readonly PieceReader[]) {
    this.texts = texts;
    this.#readers = readers;
  }

  /** The parts of all answers, as they come. Leaving the loop cancels. */
  async *steps(): AsyncGenerator<ChatStep> {
    const calling = new Set<number>();
    for await (const { index, value: chunk } of this.texts.chunks()) {
      const reader = this.#readers[index];
      if (!reader) continue;
      const pieces = reader.push(chunk.text);
      if (chunk.finishReason) pieces.push(...reader.end());
      if (pieces.some(({ kind }) => kind === 'call')) calling.add(index);
      const likely = chunk.logProbabilities && { logProbabilities: chunk.logProbabilities };
      if (chunk.finishReason) {
        const called = chunk.finishReason === 'stop' && calling.has(index);
        yield { index, pieces, ...likely, finishReason: called ? 'tool_calls' : chunk.finishReason };
      } else if (pieces.length > 0 || chunk.logProbabilities) yield { index, pieces, ...likely };
    }
  }
}
