/**
 * Llama 2 chat (meta-llama/llama, llama/generation.py, chat_completion): every turn of question and
 * answer is a sequence of its own, `<s>[INST] question [/INST] answer </s>`; a system message goes
 * into the first question.
 */
import { formatOfParts, strip, textOf, type ChatMessage, type ChatPart } from './format.ts';
import { failure } from '../errors.ts';

const NAME = 'llama2';
const TAGS = ['[INST]', '[/INST]', '<<SYS>>', '<</SYS>>'];
const BOS: ChatPart = { special: '<s>' };
const EOS: ChatPart = { special: '</s>' };

/**
 * Roles alternate: (system,) user, assistant, user, … A message that holds one of the format's tags
 * is refused, as Meta's program does.
 */
export const llama2Chat = formatOfParts(NAME, ['</s>'], (messages, options) => {
  if (options.tools !== undefined || options.builtinTools !== undefined)
    throw failure(NAME, 'tools are given', 'the Llama 2 chat format has no place for tools');
  const turns = foldSystem(messages);
  const parts: ChatPart[] = [];
  turns.forEach(({ role, content }, i) => {
    const expected = i % 2 === 0 ? 'user' : 'assistant';
    if (role !== expected)
      throw failure(
        NAME,
        `message ${i + messages.length - turns.length} is of the role '${role}' where '${expected}' is due`,
        'the format alternates: (system,) user, assistant, user, …',
      );
    if (role === 'user') parts.push(BOS, `[INST] ${strip(content)} [/INST]`);
    else parts.push(` ${strip(content)} `, EOS);
  });
  return parts;
});

interface Turn {
  readonly role: string;
  readonly content: string;
}

function foldSystem(messages: readonly ChatMessage[]): Turn[] {
  const turns = messages.map((message, i): Turn => {
    const content = textOf(NAME, message, i);
    const tag = TAGS.find((word) => content.includes(word));
    if (tag !== undefined)
      throw failure(NAME, `message ${i} holds ${tag}`, 'tags of the format must not stand in messages');
    return { role: message.role, content };
  });
  const [system, first, ...rest] = turns;
  if (system?.role !== 'system') return turns;
  if (first === undefined)
    throw failure(NAME, 'there is only a system message', 'a user message must follow it');
  return [{ role: first.role, content: `<<SYS>>\n${system.content}\n<</SYS>>\n\n${first.content}` }, ...rest];
}
