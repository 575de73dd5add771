import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GrammarCompiler } from '../src/grammar/grammar-compiler.ts';
import type { RunningServer } from '../src/index.ts';
import { post, sourceArgv, streamEvents, tinyServer } from './tiny-server.ts';

let server: RunningServer;
beforeAll(async () => void (server = await tinyServer({ untilClosed: true })));
afterAll(() => server.close());

const schema = {
  type: 'object',
  properties: {
    kind: { enum: ['cat', 'dog'] },
    age: { type: 'integer', minimum: 0, maximum: 99 },
    ok: { type: 'boolean' },
  },
  required: ['kind', 'age', 'ok'],
  additionalProperties: false,
};
const fits = expect.objectContaining({
  kind: expect.stringMatching(/^(cat|dog)$/),
  age: expect.any(Number),
  ok: expect.any(Boolean),
});
/** So hot that the tiny model is not sure of anything. */
const hot = { prompt: 'once', max_tokens: 120, seed: 4, temperature: 20 } as const;
const choiceOf = async (fields: object) => {
  const { status, body } = await post(server.url, { ...hot, ...fields });
  expect([status, body.error]).toEqual([200, undefined]);
  return body.choices[0] as { text: string; finish_reason: string };
};

describe('fields that say what the text must be', () => {
  it.each<[string, object]>([
    [
      'response_format',
      { response_format: { type: 'json_schema', json_schema: { name: 'pet', strict: true, schema } } },
    ],
    ['response_format with json_object', { response_format: { type: 'json_object', schema } }],
    ['json_schema', { json_schema: schema }],
    ['guided_json', { guided_json: JSON.stringify(schema) }],
    ['structured_outputs', { structured_outputs: { json: schema } }],
  ])('%s: JSON of the schema, at any seed', async (_, fields) => {
    for (const seed of [1, 2, 3]) {
      const { text, finish_reason } = await choiceOf({ ...fields, seed });
      expect([JSON.parse(text), finish_reason]).toEqual([fits, 'stop']);
    }
  });

  it.each<[string, object, RegExp]>([
    ['guided_regex', { guided_regex: '(ab|c){3}\\d' }, /^(ab|c){3}\d$/],
    ['structured_outputs.regex', { structured_outputs: { regex: 'x{2,4}' } }, /^x{2,4}$/],
    ['guided_choice', { guided_choice: ['yes', 'no'] }, /^(yes|no)$/],
    ['grammar', { grammar: 'root ::= "a" root "b" | "c"' }, /^(a{0,60})c(b{0,60})$/],
  ])('%s', async (_, fields, pattern) => {
    const { text, finish_reason } = await choiceOf({ ...fields, max_tokens: 200 });
    expect([text, finish_reason]).toEqual([expect.stringMatching(pattern), 'stop']);
  });

  it('many texts at once, each its own, as they come', async () => {
    const body = JSON.stringify({ ...hot, prompt: ['a', 'b'], n: 3, stream: true, json_schema: schema });
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body };
    const texts = new Map<number, string>();
    for await (const data of streamEvents(await fetch(`${server.url}/v1/completions`, init))) {
      if (data === '[DONE]') break;
      for (const { index, text } of JSON.parse(data).choices)
        texts.set(index, (texts.get(index) ?? '') + text);
    }
    expect([...texts.values()].map((text) => JSON.parse(text))).toEqual(
      Array.from({ length: 6 }, () => fits),
    );
    expect(new Set(texts.values()).size).toBeGreaterThan(1);
  });

  it.each<[object, string, RegExp]>([
    [
      { json_schema: { items: { uniqueItems: true } } },
      'json_schema',
      /^json_schema: at #\/items, "uniqueItems":/,
    ],
    [{ json_schema: '{' }, 'json_schema', /is no JSON/],
    [{ guided_regex: '(?=a)' }, 'guided_regex', /lookaround/],
    [{ grammar: 'root ::= x' }, 'grammar', /"x" is used and not defined/],
    [{ guided_choice: ['a'], guided_regex: 'b' }, 'guided_choice', /both say what the text must be/],
    [{ response_format: { type: 'json_schema' } }, 'response_format', /hint: give an object of type/],
    [{ response_format: { type: 'xml' } }, 'response_format', /hint: give an object of type/],
  ])('%j is refused', async (fields, param, message) => {
    const { status, body } = await post(server.url, { ...hot, ...fields });
    expect([status, body.error]).toEqual([
      400,
      expect.objectContaining({ param, message: expect.stringMatching(message) }),
    ]);
  });

  it('what asks for nothing changes nothing', async () => {
    const nothing = {
      response_format: { type: 'text' },
      json_schema: {},
      grammar: '',
      guided_choice: [],
      structured_outputs: {},
    };
    expect(await choiceOf({ ...nothing, max_tokens: 8 })).toEqual(await choiceOf({ max_tokens: 8 }));
  });
});

it('a grammar that takes too long is given up with its thread, and the next one is compiled', async () => {
  const file = { url: new URL('./stuck-grammars.ts', import.meta.url), execArgv: sourceArgv };
  const compiler = new GrammarCompiler(file, 1000);
  const slow = { field: 'guided_regex', kind: 'regex', source: 'never' } as const;
  const quick = { field: 'grammar', kind: 'gbnf', source: 'root ::= "a"' } as const;
  const [first, second] = await Promise.allSettled([compiler.compile(slow), compiler.compile(quick)]);
  await compiler.close();
  expect([first, second]).toEqual([
    {
      status: 'rejected',
      reason: expect.objectContaining({ message: expect.stringContaining('took longer than 1000 ms') }),
    },
    {
      status: 'fulfilled',
      value: expect.objectContaining({ grammar: expect.objectContaining({ kind: 'cria-grammar' }) }),
    },
  ]);
});
