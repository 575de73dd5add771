/**
 * Llama 3 chat, and 3.1 and later with tools:
 * `<|start_header_id|>role<|end_header_id|>\n\ncontent<|eot_id|>`.
 */
import { formatOfParts, strip, textOf, type ChatMessage, type ChatOptions, type ChatPart } from './format.ts';
import { failure } from '../errors.ts';
import { pythonJson } from './python-json.ts';

const BOS: ChatPart = { special: '<|begin_of_text|>' };
const EOT: ChatPart = { special: '<|eot_id|>' };
const EOM: ChatPart = { special: '<|eom_id|>' };
const PYTHON: ChatPart = { special: '<|python_tag|>' };

function header(role: string): ChatPart[] {
  return [{ special: '<|start_header_id|>' }, role, { special: '<|end_header_id|>' }, '\n\n'];
}

/** Llama 3 (meta-llama/llama3, llama/tokenizer.py, ChatFormat). */
export const llama3Chat = formatOfParts('llama3', ['<|eot_id|>', '<|end_of_text|>'], (messages, options) => {
  if (options.tools !== undefined || options.builtinTools !== undefined)
    throw failure('llama3', 'tools are given', 'the Llama 3.1 chat format has a place for them: llama31Chat');
  const parts: ChatPart[] = [BOS];
  messages.forEach((message, i) =>
    parts.push(...header(message.role), strip(textOf('llama3', message, i)), EOT),
  );
  if (options.addGenerationPrompt ?? true) parts.push(...header('assistant'));
  return parts;
});

const NAME = 'llama3.1';
const ANSWER_FORM =
  'Respond in the format {"name": function name, "parameters": dictionary of argument name and its value}.' +
  'Do not use variables.\n\n';
const IN_SYSTEM =
  'You have access to the following functions. To call a function, please respond with JSON for a function call.';
const IN_USER =
  'Given the following functions, please respond with a JSON for a function call ' +
  'with its proper arguments that best answers the given prompt.\n\n';

/** Llama 3.1, 3.2 and 3.3: the template that is released with the Instruct models. */
export const llama31Chat = formatOfParts(
  NAME,
  ['<|eot_id|>', '<|eom_id|>', '<|end_of_text|>'],
  (messages, options) => {
    const { tools, builtinTools, toolsInUserMessage = true, addGenerationPrompt = true } = options;
    const [first] = messages;
    const system = first?.role === 'system' ? strip(textOf(NAME, first, 0)) : '';
    let rest = first?.role === 'system' ? messages.slice(1) : messages;
    const parts: ChatPart[] = [BOS, ...header('system'), preamble(options), system, EOT];
    if (tools !== undefined && toolsInUserMessage) {
      const [question] = rest;
      if (question === undefined)
        throw failure(NAME, 'there is no first user message', 'tools are described in it: add one');
      const words = strip(textOf(NAME, question, messages.indexOf(question)));
      parts.push(...header('user'), IN_USER + ANSWER_FORM + describe(tools), words, EOT);
      rest = rest.slice(1);
    }
    rest.forEach((message) => parts.push(...turn(message, messages.indexOf(message), builtinTools)));
    if (addGenerationPrompt) parts.push(...header('assistant'));
    return parts;
  },
);

function preamble(options: ChatOptions): string {
  const { tools, builtinTools, toolsInUserMessage = true, dateString = '26 Jul 2024' } = options;
  let text = tools !== undefined || builtinTools !== undefined ? 'Environment: ipython\n' : '';
  if (builtinTools !== undefined)
    text += `Tools: ${builtinTools.filter((tool) => tool !== 'code_interpreter').join(', ')}\n\n`;
  text += `Cutting Knowledge Date: December 2023\nToday Date: ${dateString}\n\n`;
  if (tools !== undefined && !toolsInUserMessage) text += IN_SYSTEM + ANSWER_FORM + describe(tools);
  return text;
}

function describe(tools: readonly object[]): string {
  return tools.map((tool) => `${pythonJson(tool, 4)}\n\n`).join('');
}

function turn(message: ChatMessage, index: number, builtinTools: readonly string[] | undefined): ChatPart[] {
  const { role, content, tool_calls: calls } = message;
  if (calls !== undefined) return call(calls, index, builtinTools);
  if (role !== 'tool' && role !== 'ipython')
    return [...header(role), strip(textOf(NAME, message, index)), EOT];
  return [...header('ipython'), pythonJson(content ?? null), EOT]; // a text too is written as JSON there
}

function call(
  calls: NonNullable<ChatMessage['tool_calls']>,
  index: number,
  builtinTools: readonly string[] | undefined,
): ChatPart[] {
  const [only, ...others] = calls;
  if (only === undefined || others.length > 0)
    throw failure(
      NAME,
      `message ${index} calls ${calls.length} tools`,
      'these models call one tool at a time',
    );
  const { name, arguments: given } = only.function;
  const end = builtinTools === undefined ? EOT : EOM;
  const values = typeof given === 'string' ? parseArguments(given, index) : given;
  if (builtinTools?.includes(name) === true) {
    const list = Object.entries(values as Record<string, unknown>) // checked by Object.entries
      .map(([key, value]) => `${key}="${String(value)}"`)
      .join(', ');
    return [...header('assistant'), PYTHON, `${name}.call(${list})`, end];
  }
  return [...header('assistant'), `{"name": "${name}", "parameters": ${pythonJson(values)}}`, end];
}

function parseArguments(text: string, index: number): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw failure(
      NAME,
      `the arguments that message ${index} calls its tool with are no JSON (${(error as Error).message})`,
      'give an object, or its JSON text',
    );
  }
}
