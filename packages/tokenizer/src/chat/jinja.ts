/** Any `chat_template`, by @huggingface/jinja (an optional peer). */
import {
  checkMessages,
  encodeChatParts,
  type ChatFormat,
  type ChatMessage,
  type ChatOptions,
  type ChatPart,
  type ChatTokenizer,
} from './format.ts';
import { failure } from '../errors.ts';
import { anyOf } from '../added-tokens.ts';

export interface JinjaChatOptions {
  readonly bosToken?: string;
  readonly eosToken?: string;
  /** Names of the tokens that end an answer. Default: `eosToken`. */
  readonly stopTokens?: readonly string[];
  /**
   * What `strftime_now` tells. Without it a template finds that function undefined, so that equal
   * chats give equal prompts.
   */
  readonly date?: Date;
}

const NAME = 'jinjaChat';
const MAX_RANGE = 100_000;

/**
 * What a template finds, as transformers provides it. A template comes out of a file: its loops are
 * kept finite.
 */
const GLOBALS: Readonly<Record<string, unknown>> = {
  true: true,
  false: false,
  none: null,
  True: true,
  False: false,
  None: null,
  raise_exception: (message: unknown) => {
    throw new Error(String(message));
  },
  range: (first: number, second?: number | null, step = 1) => {
    const [from, to] = typeof second === 'number' ? [first, second] : [0, first];
    const count = Math.max(0, Math.ceil((to - from) / step));
    if (!(count <= MAX_RANGE)) throw new Error(`range of ${count} numbers, more than ${MAX_RANGE}`);
    return Array.from({ length: count }, (_, i) => from + i * step);
  },
};

/**
 * Compiles a template. Throws where it is no valid Jinja, or where @huggingface/jinja is not
 * installed.
 */
export async function jinjaChat(template: string, settings: JinjaChatOptions = {}): Promise<ChatFormat> {
  const { Environment, Interpreter, Template } = await loadJinja();
  const { parsed } = attempt('the template is not valid', () => new Template(template));
  const { bosToken = '', eosToken = '', date } = settings;
  const render = (messages: readonly ChatMessage[], options: ChatOptions = {}): string => {
    checkMessages(NAME, messages);
    const {
      addGenerationPrompt = true,
      tools,
      toolsInUserMessage,
      builtinTools,
      dateString,
      prefill = '',
      variables,
    } = options;
    const optional = {
      tools,
      tools_in_user_message: toolsInUserMessage,
      builtin_tools: builtinTools,
      date_string: dateString,
    };
    const scope: Record<string, unknown> = {
      ...GLOBALS,
      ...(date === undefined ? {} : { strftime_now: (format: unknown) => strftime(date, String(format)) }),
      ...variables,
      ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)),
      messages,
      add_generation_prompt: addGenerationPrompt,
      bos_token: bosToken,
      eos_token: eosToken,
    };
    return attempt('the template refused the chat', () => {
      const environment = new Environment();
      for (const [name, value] of Object.entries(scope)) environment.set(name, value);
      // a StringValue, whose class is not exported
      const { value } = new Interpreter(environment).run(parsed) as { value: unknown };
      return `${String(value)}${prefill}`;
    });
  };
  return {
    name: 'jinja',
    stopTokens: settings.stopTokens ?? (eosToken === '' ? [] : [eosToken]),
    render,
    encode: (tokenizer, messages, options = {}) =>
      encodeGuarded(tokenizer, template, messages, options, render),
  };
}

/**
 * Special tokens inside messages and tools are hidden behind marks while the template runs, so that
 * only those the template writes become ids; then they come back as plain text.
 */
function encodeGuarded(
  tokenizer: ChatTokenizer,
  template: string,
  messages: readonly ChatMessage[],
  options: ChatOptions,
  render: (messages: readonly ChatMessage[], options: ChatOptions) => string,
): Int32Array {
  const names = [...tokenizer.specialTokens.keys()];
  if (names.length === 0) return tokenizer.encodeParts([render(messages, options)]);
  const anyName = anyOf(names);
  const { prefill } = options;
  const input = { messages, tools: options.tools, variables: options.variables, prefill };
  const mark = unusedCharacter(template + JSON.stringify(input));
  const hide = (text: string): string =>
    text.replace(anyName, (name) => `${mark}${names.indexOf(name)}${mark}`);
  const { tools, variables } = mapStrings(input, hide) as typeof input; // the same shape
  const hidden = mapStrings(messages, hide) as typeof messages; // the same shape
  const text = render(hidden, {
    ...options,
    ...(tools === undefined ? {} : { tools }),
    ...(variables === undefined ? {} : { variables }),
    ...(prefill === undefined ? {} : { prefill: hide(prefill) }),
  });
  const show = (part: string): string =>
    part.replace(new RegExp(`${mark}(\\d+)${mark}`, 'gu'), (_, index: string) => names[Number(index)] ?? '');
  const parts: ChatPart[] = [];
  let at = 0;
  for (const match of text.matchAll(anyName)) {
    if (match.index > at) parts.push(show(text.slice(at, match.index)));
    parts.push({ special: match[0] });
    at = match.index + match[0].length;
  }
  if (at < text.length) parts.push(show(text.slice(at)));
  return encodeChatParts(NAME, tokenizer, parts);
}

function unusedCharacter(text: string): string {
  for (let code = 0xf0000; code < 0x10fffe; code++) {
    const character = String.fromCodePoint(code);
    if (!text.includes(character)) return character;
  }
  throw failure(NAME, 'the chat holds every private character', 'leave one of U+F0000 to U+10FFFD out');
}

function mapStrings(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value);
  if (Array.isArray(value)) return value.map((item) => mapStrings(item, change));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [change(key), mapStrings(item, change)]),
  );
}

async function loadJinja(): Promise<typeof import('@huggingface/jinja')> {
  try {
    return await import('@huggingface/jinja');
  } catch (error) {
    throw failure(
      NAME,
      `@huggingface/jinja cannot be loaded (${(error as Error).message})`,
      'npm install @huggingface/jinja, or use llama2Chat, llama3Chat or llama31Chat',
    );
  }
}

function attempt<T>(what: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw failure(
      NAME,
      `${what}: ${(error as Error).message}`,
      'compare the chat with what the template asks for',
    );
  }
}

const MONTHS = 'January February March April May June July August September October November December'.split(
  ' ',
);
const DAYS = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ');

/** The directives that templates use, in UTC; any other stays as it is. */
function strftime(date: Date, format: string): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const month = MONTHS[date.getUTCMonth()];
  const day = DAYS[date.getUTCDay()];
  const values: Readonly<Record<string, string>> = {
    Y: String(date.getUTCFullYear()),
    m: two(date.getUTCMonth() + 1),
    d: two(date.getUTCDate()),
    H: two(date.getUTCHours()),
    M: two(date.getUTCMinutes()),
    S: two(date.getUTCSeconds()),
    B: month,
    b: month.slice(0, 3),
    A: day,
    a: day.slice(0, 3),
  };
  return format.replace(/%([a-zA-Z])/g, (directive, letter: string) => values[letter] ?? directive);
}
