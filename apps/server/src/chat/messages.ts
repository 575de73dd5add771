import type { ChatMessage } from '@cria/tokenizer/chat';
import { ApiError } from '../http/errors.ts';
import type { BodyMessage } from '../schema/chat.ts';
import type { Family } from './family.ts';

/** Levels of objects and lists in what a template may be given: a template walks them on its stack. */
const MOST_LEVELS = 64;

/** A chat as a template gets it, and the beginning of the answer where the chat ends in one. */
export interface TemplateChat {
  readonly messages: readonly ChatMessage[];
  readonly prefill: string;
}

/**
 * Messages as templates expect them: text parts are one text, arguments are objects, `developer` is
 * the system where the template knows nothing else. A last message of the assistant is the
 * beginning of its answer, unless `prefill` is false. @throws ApiError that names the message
 */
export function templateChat(
  messages: readonly BodyMessage[],
  family: Family,
  prefill: boolean,
): TemplateChat {
  const all = messages.map((message, i) => templateMessage(message, i, family));
  const last = all.at(-1);
  if (!prefill || last?.role !== 'assistant' || last.tool_calls) return { messages: all, prefill: '' };
  if (all.at(-2)?.role === 'assistant')
    throw wrong(all.length - 1, 'follows another of the assistant. hint: end with one of them');
  return { messages: all.slice(0, -1), prefill: String(last.content) };
}

function templateMessage(message: BodyMessage, index: number, family: Family): ChatMessage {
  const { role, name, tool_call_id: id, tool_calls: calls, reasoning_content: thoughts } = message;
  const content = textOf(message, index);
  if (content === undefined && (role !== 'assistant' || !(calls && calls.length > 0)))
    throw wrong(index, 'has no content. hint: give a string, or a list of text parts');
  return {
    role: role === 'developer' && !family.developer ? 'system' : role,
    content: content ?? '',
    ...(name != null && { name }),
    ...(id != null && { tool_call_id: id }),
    ...(thoughts != null && { reasoning_content: thoughts }),
    ...(calls && calls.length > 0 && { tool_calls: calls.map((call) => templateCall(call, index)) }),
  };
}

type Call = NonNullable<BodyMessage['tool_calls']>[number];

/** Templates write arguments as JSON themselves, so they get what the text of OpenAI's clients means. */
function templateCall(call: Call, index: number): NonNullable<ChatMessage['tool_calls']>[number] {
  const { name, arguments: given } = call.function;
  let meant: unknown = given;
  if (typeof given === 'string') {
    try {
      meant = JSON.parse(given === '' ? '{}' : given);
    } catch {
      throw wrong(index, `calls ${name.slice(0, 100)} with arguments that are no JSON`);
    }
  }
  return { ...(call.id != null && { id: call.id }), type: 'function', function: { name, arguments: meant } };
}

function textOf({ content }: BodyMessage, index: number): string | undefined {
  if (content == null) return undefined;
  if (typeof content === 'string') return content;
  // vLLM and llama.cpp put a line break between parts as well.
  return content
    .map(({ type, text }) => {
      if (text !== undefined && /^(text|input_text|output_text)$/.test(type)) return text;
      throw wrong(index, `has a part of type "${type.slice(0, 100)}". hint: this server takes text alone`);
    })
    .join('\n');
}

/** @throws ApiError for a value nested deeper than templates are given */
export function checkDepth(field: string, value: unknown): void {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MOST_LEVELS) {
      const message = `${field} is nested deeper than ${MOST_LEVELS} levels. hint: give simpler values`;
      throw new ApiError(400, message, { code: 'invalid_value', param: field });
    }
    level = level.flatMap((each) =>
      typeof each === 'object' && each !== null ? (Object.values(each) as unknown[]) : [],
    );
  }
}

function wrong(index: number, what: string): ApiError {
  return new ApiError(400, `message ${index} ${what}`, { code: 'invalid_value', param: 'messages' });
}
