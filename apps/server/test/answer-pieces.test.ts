import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Answer } from '../src/chat/answer.ts';
import type { CallStyle } from '../src/chat/family.ts';
import type { PieceReader } from '../src/chat/pieces.ts';
import { plainReader, ReasoningReader } from '../src/chat/reasoning.ts';
import { toolReader } from '../src/chat/tools.ts';

const names = new Set(['weather', 'time']);

/** What a reader makes of a text that comes in these parts. */
function read(reader: PieceReader, parts: readonly string[]) {
  const answer = new Answer();
  for (const piece of [...parts.flatMap((part) => reader.push(part)), ...reader.end()]) answer.add(piece);
  const { content, reasoning, calls } = answer;
  return { content, reasoning, calls: calls.map((call) => [call.name, call.arguments]) };
}

const tools = (style: CallStyle) => () => toolReader(style, names);
const thinking = (inside: boolean) => () => new ReasoningReader(toolReader('hermes', names), inside);
const call = (json: string) => `<tool_call>\n${json}\n</tool_call>`;
const weather = '{"name": "weather", "arguments": {"city": "Bern }]\\"", "days": [1, {"a": 2}]}}';
const weatherArguments = '{"city": "Bern }]\\"", "days": [1, {"a": 2}]}';

const cases: [string, () => PieceReader, string, Partial<ReturnType<typeof read>>][] = [
  ['a text', tools('hermes'), 'hello <tool> you \n', { content: 'hello <tool> you \n' }],
  ['a call', tools('hermes'), call(weather), { calls: [['weather', weatherArguments]] }],
  [
    'text and two calls',
    tools('hermes'),
    `I look.\n${call(weather)}\n${call('{"name":"time","arguments":{}}')}`,
    {
      content: 'I look.',
      calls: [
        ['weather', weatherArguments],
        ['time', '{}'],
      ],
    },
  ],
  [
    'arguments first',
    tools('hermes'),
    call('{"arguments": {"a": 1}, "name": "time"}'),
    { calls: [['time', '{"a": 1}']] },
  ],
  [
    'arguments as text',
    tools('hermes'),
    call('{"name": "time", "arguments": "{\\"a\\": 1}"}'),
    { calls: [['time', '{"a": 1}']] },
  ],
  [
    'an unknown tool',
    tools('hermes'),
    `<tool_call>{"name": "rm", "arguments": {}}</tool_call>`,
    { content: '<tool_call>{"name": "rm", "arguments": {}}</tool_call>' },
  ],
  [
    'no object',
    tools('hermes'),
    '<tool_call>weather</tool_call> x',
    { content: '<tool_call>weather</tool_call> x' },
  ],
  [
    'an end inside',
    tools('hermes'),
    '<tool_call>{"name": "time", "arguments": {"a',
    { calls: [['time', '{"a']] },
  ],
  ['an end before the name', tools('hermes'), 'so <tool_call>{"na', { content: 'so<tool_call>{"na' }],
  ['half a tag', tools('hermes'), 'a <tool_ca', { content: 'a <tool_ca' }],
  ['Llama', tools('llama3'), ' {"name": "time", "parameters": {"a": 1}}', { calls: [['time', '{"a": 1}']] }],
  [
    'Llama, two with a tag',
    tools('llama3'),
    '<|python_tag|>{"name": "time", "parameters": {}}; {"name": "weather", "parameters": {"b": "}"}}',
    {
      calls: [
        ['time', '{}'],
        ['weather', '{"b": "}"}'],
      ],
    },
  ],
  [
    'Llama, JSON that is no call',
    tools('llama3'),
    '{"answer": 42} is it',
    { content: '{"answer": 42} is it' },
  ],
  ['Llama, text', tools('llama3'), 'See {"name": "time"}', { content: 'See {"name": "time"}' }],
  [
    'thoughts',
    thinking(false),
    '<think>\nhm <b>\n</think>\n\nYes. ',
    { reasoning: 'hm <b>', content: 'Yes. ' },
  ],
  ['thoughts begun in the prompt', thinking(true), 'hm\n</think>\nYes', { reasoning: 'hm', content: 'Yes' }],
  ['thoughts without an end', thinking(false), '<think>hm </thin', { reasoning: 'hm </thin' }],
  ['no thoughts', thinking(false), '<thing> <think>', { content: '<thing> <think>' }],
  [
    'thoughts, then a call',
    thinking(false),
    `<think>x</think>${call(weather)}`,
    { reasoning: 'x', calls: [['weather', weatherArguments]] },
  ],
];

describe('an answer is read the same however it is cut into parts', () => {
  it.each(cases)('%s', (_, reader, text, expected) => {
    const whole = { content: '', reasoning: '', calls: [], ...expected };
    expect(read(reader(), [text])).toEqual(whole);
    expect(read(reader(), [...text])).toEqual(whole);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: text.length })), (cuts) => {
        const at = [0, ...cuts.toSorted((a, b) => a - b), text.length];
        const parts = at.slice(1).map((end, i) => text.slice(at[i], end));
        expect(read(reader(), parts)).toEqual(whole);
      }),
      { numRuns: 40 },
    );
  });

  it('anything at all', () => {
    const word = fc.constantFrom(
      '<tool_call>',
      '</tool_call>',
      '<think>',
      '</think>',
      '{',
      '}',
      '"name"',
      ':',
      '"time"',
      ',',
      '"arguments"',
      '\\',
      '"',
      ' ',
      '\n',
      'a',
      '<',
      ';',
      '[',
      ']',
    );
    const makers = [tools('hermes'), tools('llama3'), thinking(false), thinking(true), plainReader];
    fc.assert(
      fc.property(fc.constantFrom(...makers), fc.array(word, { maxLength: 40 }), (reader, words) => {
        expect(read(reader(), words)).toEqual(read(reader(), [words.join('')]));
      }),
      { numRuns: 2000 },
    );
  });
});

it('arguments are told while they are written', () => {
  const reader = toolReader('hermes', names);
  reader.push('<tool_call>{"name": "time", "arguments": {"a');
  expect(reader.push('bc')).toEqual([{ kind: 'arguments', call: 0, text: 'bc' }]);
});
