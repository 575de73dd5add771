import OpenAI, { APIError } from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningServer } from '../src/index.ts';
import { errorShape, getJson, postTo, streamEvents, tinyServer, waitFor } from './tiny-server.ts';

let server: RunningServer;
let client: OpenAI;
beforeAll(async () => {
  server = await tinyServer({ untilClosed: true });
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 });
});
afterAll(() => server.close());

const user = (content: string) => ({ role: 'user' as const, content });
const chat = (body: object) => postTo(`${server.url}/v1/chat/completions`, body);
const template = async (body: object) => (await postTo(`${server.url}/apply-template`, body)).body;
const tool = (name: string) => ({
  type: 'function' as const,
  function: { name, parameters: { type: 'object', properties: {} } },
});

describe('POST /v1/chat/completions', () => {
  it('answers the client of OpenAI, whole and streamed alike', async () => {
    const request = {
      model: 'tiny',
      messages: [{ role: 'developer' as const, content: 'be brief' }, user('hello')],
      seed: 7,
      max_completion_tokens: 20,
      n: 2,
    };
    const whole = await client.chat.completions.create(request);
    expect(whole).toMatchObject({
      id: expect.stringMatching(/^chatcmpl-/),
      object: 'chat.completion',
      choices: [
        { index: 0, finish_reason: 'length', message: { role: 'assistant', content: expect.any(String) } },
        { index: 1, finish_reason: 'length' },
      ],
      usage: { completion_tokens: 40, prompt_tokens_details: { cached_tokens: 0 } },
    });
    expect(whole._request_id).toMatch(/^req_/);
    const { data, response } = await client.chat.completions
      .create({ ...request, stream: true, stream_options: { include_usage: true } })
      .withResponse();
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    const texts = ['', ''];
    const roles: unknown[] = [];
    const ends: unknown[] = [];
    let usage: unknown;
    for await (const chunk of data) {
      usage = chunk.usage ?? usage;
      for (const { index, delta, finish_reason: end } of chunk.choices) {
        texts[index] += delta.content ?? '';
        if (delta.role) roles.push(delta.role);
        if (end) ends.push([end, delta]);
      }
    }
    expect(texts).toEqual(whole.choices.map(({ message }) => message.content));
    expect([roles, ends, usage]).toEqual([
      ['assistant', 'assistant'],
      [
        ['length', {}],
        ['length', {}],
      ],
      { ...whole.usage, prompt_tokens_details: expect.anything() },
    ]);
  });

  it('gives the text that /v1/completions gives for the same prompt', async () => {
    const messages = [user('hello'), { role: 'assistant', content: 'I am' }];
    const { prompt } = await template({ messages });
    expect(prompt).toBe('<|user|>hello<|assistant|>I am');
    const { tokens } = (await postTo(`${server.url}/tokenize`, { content: prompt })).body;
    const options = { seed: 3, max_tokens: 12 };
    const [one, other] = await Promise.all([
      chat({ messages, ...options }),
      postTo(`${server.url}/v1/completions`, { prompt: tokens, ...options }),
    ]);
    expect(one.body.choices[0].message.content).toBe(other.body.choices[0].text);
    expect(one.body.usage.total_tokens).toEqual(other.body.usage.total_tokens);
  });

  it('renders messages of every form, tools and calls', async () => {
    const messages = [
      {
        role: 'system',
        content: [
          { type: 'text', text: 'a' },
          { type: 'text', text: 'b' },
        ],
      },
      user('now?'),
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: 'c', type: 'function', function: { name: 'time', arguments: '{"zone":"x"}' } }],
      },
      { role: 'tool', tool_call_id: 'c', content: '12' },
    ];
    expect((await template({ messages, tools: [tool('time')] })).prompt).toBe(
      '<|system|>You may call: [{"type": "function", "function": {"name": "time", ' +
        '"parameters": {"type": "object", "properties": {}}}}]' +
        ' as <tool_call>{"name": n, "arguments": a}</tool_call>\n<|system|>a\nb<|user|>now?' +
        '<|assistant|><tool_call>{"name": "time", "arguments": {"zone": "x"}}</tool_call><|tool|>12<|assistant|>',
    );
    expect((await template({ messages: [user('a')], add_generation_prompt: false })).prompt).toBe(
      '<|user|>a',
    );
  });

  it.each<[string, object, string | null]>([
    ['no messages', {}, 'messages'],
    ['an empty list', { messages: [] }, 'messages'],
    ['a text', { messages: 'hi' }, 'messages'],
    ['no role', { messages: [{ content: 'x' }] }, 'messages'],
    ['no content', { messages: [{ role: 'user' }] }, 'messages'],
    ['a number', { messages: [{ role: 'user', content: 7 }] }, 'messages'],
    [
      'an image',
      { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }] },
      'messages',
    ],
    [
      'two last answers',
      { messages: [user('a'), { role: 'assistant', content: 'a' }, { role: 'assistant', content: 'b' }] },
      'messages',
    ],
    ['an answer alone', { messages: [{ role: 'assistant', content: 'a' }] }, 'messages'],
    [
      'arguments that are no JSON',
      { messages: [{ role: 'assistant', tool_calls: [{ function: { name: 'a', arguments: '{' } }] }] },
      'messages',
    ],
    ['a forced call', { messages: [user('a')], tools: [tool('a')], tool_choice: 'required' }, 'tool_choice'],
    ['a template', { messages: [user('a')], chat_template: 'x' }, 'chat_template'],
    [
      'begin and go on',
      { messages: [user('a')], add_generation_prompt: true, continue_final_message: true },
      'continue_final_message',
    ],
    [
      'deep tools',
      { messages: [user('a')], chat_template_kwargs: { a: JSON.parse('['.repeat(99) + ']'.repeat(99)) } },
      'chat_template_kwargs',
    ],
    ['a long chat', { messages: [user('x'.repeat(1000))] }, 'prompt'],
  ])('refuses %s', async (_, body, param) => {
    const { status, body: answer } = await chat(body);
    expect(answer).toEqual(errorShape);
    expect([status, answer.error.param]).toEqual([400, param]);
  });

  it('tells the client of OpenAI what was wrong', async () => {
    const wrong = client.chat.completions.create({ model: 'other', messages: [user('x')] });
    await expect(wrong).rejects.toMatchObject({ status: 404, code: 'model_not_found', param: 'model' });
    await expect(wrong).rejects.toBeInstanceOf(APIError);
  });
});

it('holds an answer to a schema, and not together with tools', async () => {
  const response_format = {
    type: 'json_schema' as const,
    json_schema: {
      name: 'a',
      schema: {
        type: 'object',
        properties: { yes: { type: 'boolean' } },
        required: ['yes'],
        additionalProperties: false,
      },
    },
  };
  const request = { model: 'tiny', messages: [user('x')], response_format, max_tokens: 100, seed: 5 };
  const answer = await client.chat.completions.create(request);
  expect(JSON.parse(answer.choices[0]!.message.content!)).toEqual({ yes: expect.any(Boolean) });
  expect((await chat({ ...request, tools: [tool('a')] })).body.error.param).toBe('tools');
});

describe('templates', () => {
  it('that never end are ended, and the next chat is served', async () => {
    const own = await tinyServer({ model: 'endless' });
    const ask = () => postTo(`${own.url}/apply-template`, { messages: [user('x')] });
    const { status, body } = await ask();
    expect([status, body.error.code]).toEqual([400, 'deadline_exceeded']);
    expect((await postTo(`${own.url}/tokenize`, { content: 'ab' })).body).toEqual({ tokens: [97, 98] });
    expect((await getJson(`${own.url}/health`)).body).toEqual({ status: 'ok', active: 0 });
  }, 30_000);

  it.each([
    ['refusing', 'invalid_request', 'no system message here'],
    ['plain', 'no_chat_template', 'no chat template'],
  ])('%s: 400', async (model, code, message) => {
    const own = await tinyServer({ model });
    const { status, body } = await postTo(`${own.url}/v1/chat/completions`, { messages: [user('x')] });
    expect([status, body.error]).toEqual([
      400,
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    ]);
  });

  it('that open thoughts have them in reasoning_content, unless asked not to; without tools', async () => {
    const own = await tinyServer({ model: 'thinking' });
    const ask = (body: object) =>
      postTo(`${own.url}/v1/chat/completions`, { messages: [user('x')], seed: 1, max_tokens: 8, ...body });
    const thought = (await ask({})).body.choices[0].message;
    const kept = (await ask({ reasoning_format: 'none' })).body.choices[0].message;
    expect([thought.content, thought.reasoning_content]).toEqual(['', kept.content.trim()]);
    const off = (await ask({ chat_template_kwargs: { enable_thinking: false } })).body.choices[0].message;
    expect(off.reasoning_content).toBeUndefined();
    expect((await ask({ tools: [tool('a')] })).body.error.param).toBe('tools');
  });
});

it('a client that leaves a chat ends its text', async () => {
  const own = await tinyServer({ model: 'slow' });
  const control = new AbortController();
  const response = await fetch(`${own.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ messages: [user('x')], stream: true }),
    signal: control.signal,
  });
  expect(JSON.parse((await streamEvents(response).next()).value!).choices[0].delta.role).toBe('assistant');
  control.abort();
  await waitFor(async () => (await getJson(`${own.url}/health`)).body.active === 0);
});
