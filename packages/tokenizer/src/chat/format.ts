/**
 * What a chat is, and what every chat format gives: a prompt as text, and as ids in which nobody's
 * words can pose as special tokens.
 */
import { checkOptions, failure } from '../errors.ts';
import type { Tokenizer } from '../tokenizer.ts';

/** A message in OpenAI's shape. */
export interface ChatMessage {
  /**
   * `system`, `user`, `assistant`, `tool` (or `ipython`); other names go through where the format
   * has a place for them.
   */
  readonly role: string;
  /** A text, or text parts; null where the message only calls a tool. */
  readonly content?: string | readonly ChatContentPart[] | null;
  readonly tool_calls?: readonly ChatToolCall[];
  readonly [field: string]: unknown;
}

export interface ChatContentPart {
  readonly type: string;
  readonly text?: string;
}

export interface ChatToolCall {
  readonly function: {
    readonly name: string;
    /** An object, or the JSON text of one as OpenAI's clients send it. */
    readonly arguments: unknown;
  };
  readonly [field: string]: unknown;
}

export interface ChatOptions {
  /** End with the beginning of the assistant's answer. Default true. */
  readonly addGenerationPrompt?: boolean;
  /** Functions that the model may call, as JSON schemas in OpenAI's shape. */
  readonly tools?: readonly object[];
  /**
   * Llama 3.1+: describe the tools in the first user message (the default) or in the system
   * message.
   */
  readonly toolsInUserMessage?: boolean;
  /**
   * Llama 3.1: tools that the model knows by name, such as `brave_search` and `code_interpreter`.
   */
  readonly builtinTools?: readonly string[];
  /**
   * The date that Llama 3.1's system message tells. Default: `26 Jul 2024`, as in the released
   * template.
   */
  readonly dateString?: string;
  /** The beginning of the assistant's answer, which the model goes on with. Default none. */
  readonly prefill?: string;
  /** Further variables of a Jinja template. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

/** A tokenizer that can encode plain texts and ids side by side: both kinds of this package. */
export interface ChatTokenizer extends Tokenizer {
  encodeParts(parts: readonly (string | number)[]): Int32Array;
}

export interface ChatFormat {
  readonly name: string;
  /** Names of the tokens that end an answer, the usual one first. */
  readonly stopTokens: readonly string[];
  /**
   * The prompt as text. Encode it with `encode` instead wherever messages come from somebody else.
   */
  render(messages: readonly ChatMessage[], options?: ChatOptions): string;
  /**
   * The prompt as ids, with BOS. Only the format's own special tokens become ids; the same text
   * inside a message stays text.
   */
  encode(tokenizer: ChatTokenizer, messages: readonly ChatMessage[], options?: ChatOptions): Int32Array;
}

/** A special token of the format, or plain text. */
export type ChatPart = string | { readonly special: string };

const OPTIONS = [
  'addGenerationPrompt',
  'tools',
  'toolsInUserMessage',
  'builtinTools',
  'dateString',
  'prefill',
  'variables',
];

/** A format from the parts of its prompt. */
export function formatOfParts(
  name: string,
  stopTokens: readonly string[],
  build: (messages: readonly ChatMessage[], options: ChatOptions) => ChatPart[],
): ChatFormat {
  const parts = (messages: readonly ChatMessage[], options: ChatOptions = {}): ChatPart[] => {
    checkOptions(name, options, OPTIONS);
    checkMessages(name, messages);
    const { prefill = '' } = options;
    return [...build(messages, options), ...(prefill === '' ? [] : [prefill])];
  };
  return {
    name,
    stopTokens,
    render: (messages, options) =>
      parts(messages, options)
        .map((part) => (typeof part === 'string' ? part : part.special))
        .join(''),
    encode: (tokenizer, messages, options) => encodeChatParts(name, tokenizer, parts(messages, options)),
  };
}

/** Texts that touch are encoded as one, as in the rendered prompt. */
export function encodeChatParts(
  op: string,
  tokenizer: ChatTokenizer,
  parts: readonly ChatPart[],
): Int32Array {
  const mixed: (string | number)[] = [];
  for (const part of parts) {
    if (typeof part !== 'string') {
      const id = tokenizer.specialTokens.get(part.special);
      if (id === undefined)
        throw failure(
          op,
          `the vocabulary has no token ${part.special}`,
          'this chat format belongs to another vocabulary',
        );
      mixed.push(id);
      continue;
    }
    const last = mixed.at(-1);
    if (typeof last === 'string') mixed[mixed.length - 1] = last + part;
    else mixed.push(part);
  }
  return tokenizer.encodeParts(mixed);
}

export function checkMessages(op: string, messages: readonly ChatMessage[]): void {
  if (!Array.isArray(messages) || messages.length === 0)
    throw failure(op, 'there is no message', 'give at least one { role, content }');
  messages.forEach((message: unknown, i) => {
    if (message === null || typeof message !== 'object' || typeof (message as ChatMessage).role !== 'string')
      throw failure(op, `message ${i} has no role`, 'messages are { role, content }');
  });
}

/** The words of a message. Throws on images and the like, which these formats have no place for. */
export function textOf(op: string, message: ChatMessage, index: number): string {
  const { content } = message;
  if (typeof content === 'string') return content;
  if (!Array.isArray(content))
    throw failure(
      op,
      `message ${index} has the content ${JSON.stringify(content ?? null)}`,
      'content is a text or a list of text parts',
    );
  return (content as readonly ChatContentPart[]) // Array.isArray does not narrow readonly arrays
    .map((part) => {
      if (typeof part?.text !== 'string')
        throw failure(
          op,
          `message ${index} has a part of type '${String(part?.type)}'`,
          'only text is supported',
        );
      return part.text;
    })
    .join('');
}

/** Python's str.strip, which the published templates and programs use. */
export function strip(text: string): string {
  return text.replace(/^[\p{White_Space}\x1c-\x1f]+|[\p{White_Space}\x1c-\x1f]+$/gu, '');
}
