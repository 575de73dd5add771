import { compileTriggered, Matcher } from '@cria/grammar';
import { expect, it } from 'vitest';
import { byteTrie, takes } from './walk.ts';

const schema = {
  type: 'object',
  properties: { n: { type: 'integer' } },
  required: ['n'],
  additionalProperties: false,
};
const tools = [
  { begin: '<call>', schema, end: '</call>' },
  { begin: '<<list>', schema: { type: 'array', items: { type: 'null' } } },
];
const takenBy = (options: object) => {
  const matcher = new Matcher(compileTriggered(tools, options), byteTrie);
  return (text: string) => takes(matcher, text);
};

it('free text goes on until a trigger, then a value must follow', () => {
  const takesText = takenBy({});
  for (const text of [
    '',
    'words',
    'a < b <cal é',
    'x<call>{"n":1}</call>y<<list>[null]z',
    '<<call>{"n":2}</call>',
    '<<<list>[]',
  ]) {
    expect([text, takesText(text)]).toEqual([text, true]);
  }
  for (const text of [
    '<call>',
    'x<call>{"n":"1"}</call>',
    '<call>{"n":1}',
    '<call>{"n":1}</call><call>',
    '<<list>[1]',
  ]) {
    expect([text, takesText(text)]).toEqual([text, false]);
  }
});

it('values may be asked for, and free text forbidden', () => {
  const required = takenBy({ least: 1, most: 2 });
  expect([
    required('words'),
    required('x<<list>[]'),
    required('<<list>[]<<list>[]'),
    required('<<list>[]<<list>[]<<list>[]'),
  ]).toEqual([false, true, true, false]);
  const bare = takenBy({ least: 1, most: 1, freeText: false });
  expect([bare('<<list>[]'), bare('x<<list>[]'), bare('<<list>[]x')]).toEqual([true, false, false]);
});

it('refuses triggers that cannot be told apart', () => {
  expect(() => compileTriggered([tools[0]!, { ...tools[0]!, begin: '<call>x' }])).toThrow('hold each other');
  expect(() => compileTriggered([])).toThrow('no trigger');
  expect(() => compileTriggered(tools, { least: 3, most: 2 })).toThrow('3 to 2');
});
