/**
 * Chat formats: Llama 2, Llama 3 and 3.1+ built in, any `chat_template` with the optional peer
 * @huggingface/jinja.
 */
import type { ChatFormat } from './chat/format.ts';
import { llama2Chat } from './chat/llama2.ts';
import { llama31Chat, llama3Chat } from './chat/llama3.ts';
import { failure } from './errors.ts';
import type { Tokenizer } from './tokenizer.ts';

export type {
  ChatContentPart,
  ChatFormat,
  ChatMessage,
  ChatOptions,
  ChatTokenizer,
  ChatToolCall,
} from './chat/format.ts';
export { jinjaChat, type JinjaChatOptions } from './chat/jinja.ts';
export { llama2Chat } from './chat/llama2.ts';
export { llama31Chat, llama3Chat } from './chat/llama3.ts';

/** The built-in format that a vocabulary's special tokens speak for. Throws where none does. */
export function chatFormatFor(tokenizer: Tokenizer): ChatFormat {
  const { specialTokens } = tokenizer;
  if (specialTokens.has('<|start_header_id|>'))
    return specialTokens.has('<|eom_id|>') ? llama31Chat : llama3Chat;
  if (specialTokens.has('<s>') && specialTokens.has('</s>')) return llama2Chat;
  throw failure(
    'chatFormatFor',
    'this vocabulary has neither <|start_header_id|> nor <s> and </s>',
    "give the model's own chat_template to jinjaChat",
  );
}

/**
 * The `chat_template` in the text of a tokenizer_config.json (or chat_template.json): a Jinja text,
 * or undefined. Where there are several, the one called `name`.
 */
export function chatTemplateOf(config: string, name = 'default'): string | undefined {
  const { chat_template: found } = JSON.parse(config) as { chat_template?: unknown }; // checked below
  if (typeof found === 'string') return found;
  if (!Array.isArray(found)) return undefined;
  for (const entry of found as readonly unknown[]) {
    const { name: own, template } = (entry ?? {}) as { name?: unknown; template?: unknown }; // checked here
    if (own === name && typeof template === 'string') return template;
  }
  return undefined;
}
