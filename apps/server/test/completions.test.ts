import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningServer } from '../src/index.ts';
import { getJson, post, streamEvents, tinyServer, waitFor } from './tiny-server.ts';

const nothingCached = { prompt_tokens_details: { cached_tokens: 0 } };
let server: RunningServer;
beforeAll(async () => void (server = await tinyServer({ untilClosed: true })));
afterAll(() => server.close());
const complete = (body: object) => post(server.url, body);

describe('POST /v1/completions', () => {
  it('answers in the shape of OpenAI', async () => {
    const { status, headers, body } = await complete({
      prompt: 'Hello',
      temperature: 0,
      max_tokens: 8,
      model: 'tiny',
      user: 'me',
    });
    expect(status).toBe(200);
    expect(headers.get('content-type')).toContain('application/json');
    expect(body).toEqual({
      id: expect.stringMatching(/^cmpl-[0-9a-f]{32}$/),
      object: 'text_completion',
      created: expect.any(Number),
      model: 'tiny',
      system_fingerprint: expect.stringMatching(/^b1-[0-9a-f]{10}$/),
      choices: [{ index: 0, text: expect.any(String), logprobs: null, finish_reason: 'length' }],
      usage: { prompt_tokens: 6, completion_tokens: 8, total_tokens: 14, ...nothingCached },
    });
    expect(Math.abs(body.created - Date.now() / 1000)).toBeLessThan(100);
  });

  it('makes 16 tokens by default, and takes null for left out', async () => {
    const nulls = {
      temperature: null,
      max_tokens: null,
      stop: null,
      n: null,
      seed: null,
      logprobs: null,
      suffix: null,
      stream: null,
    };
    const { status, body } = await complete({ prompt: '', ...nulls });
    expect([status, body.usage]).toEqual([
      200,
      { prompt_tokens: 1, completion_tokens: 16, total_tokens: 17, ...nothingCached },
    ]);
  });

  it('gives the same text for the same seed, alone and beside others, streamed or not', async () => {
    const request = { prompt: 'seed me', seed: 7, max_tokens: 40, top_p: 0.9, top_k: 50, min_p: 0.01 };
    const alone = (await complete(request)).body.choices[0].text;
    const others = Promise.all(
      Array.from({ length: 8 }, (_, i) => complete({ prompt: 'x'.repeat(i), max_tokens: 30 })),
    );
    const response = await fetch(`${server.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...request, stream: true }),
    });
    let streamed = '';
    for await (const data of streamEvents(response))
      if (data !== '[DONE]') streamed += JSON.parse(data).choices[0].text;
    expect(streamed).toBe(alone);
    expect((await complete({ ...request, seed: 8 })).body.choices[0].text).not.toBe(alone);
    await others;
  });

  it('continues several prompts, n times each, as if each were alone', async () => {
    const options = { seed: 3, max_tokens: 12 };
    const { body } = await complete({ prompt: ['one', 'two'], n: 2, ...options });
    const one = (await complete({ prompt: 'one', ...options })).body.choices[0].text;
    const two = (await complete({ prompt: 'two', ...options })).body.choices[0].text;
    expect(body.choices.map((choice: { index: number }) => choice.index)).toEqual([0, 1, 2, 3]);
    const texts = body.choices.map((choice: { text: string }) => choice.text);
    expect([texts[0], texts[2]]).toEqual([one, two]);
    expect(new Set(texts).size).toBe(4);
    expect(body.usage).toEqual({
      prompt_tokens: 8,
      completion_tokens: 48,
      total_tokens: 56,
      ...nothingCached,
    });
  });

  it('takes token ids, one list or many', async () => {
    const ids = [256, 111, 110, 101];
    const text = (await complete({ prompt: 'one', temperature: 0 })).body.choices[0].text;
    expect((await complete({ prompt: ids, temperature: 0 })).body.choices[0].text).toBe(text);
    expect((await complete({ prompt: [ids, ids], temperature: 0 })).body.choices[1].text).toBe(text);
  });

  it('echoes the prompt, and ends before a stop string', async () => {
    const { text } = (await complete({ prompt: 'ab', temperature: 0, max_tokens: 30 })).body.choices[0];
    expect(
      (await complete({ prompt: 'ab', temperature: 0, max_tokens: 30, echo: true })).body.choices[0].text,
    ).toBe(`ab${text}`);
    const stop = [...text].slice(4, 6).join('');
    const cut = (await complete({ prompt: 'ab', temperature: 0, max_tokens: 30, stop: [stop, 'never'] })).body
      .choices[0];
    expect(cut).toMatchObject({ text: text.slice(0, text.indexOf(stop)), finish_reason: 'stop' });
  });

  it('streams events that end in [DONE], with usage where it is asked for', async () => {
    const response = await fetch(`${server.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        prompt: 'ab',
        max_tokens: 20,
        n: 2,
        seed: 1,
        stream: true,
        stream_options: { include_usage: true },
      }),
    });
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    const data: string[] = [];
    for await (const each of streamEvents(response)) data.push(each);
    expect(data.pop()).toBe('[DONE]');
    const events = data.map((each) => JSON.parse(each));
    expect(events.pop()).toMatchObject({
      choices: [],
      usage: { prompt_tokens: 3, completion_tokens: 40, total_tokens: 43, ...nothingCached },
    });
    expect(new Set(events.map((each) => each.id)).size).toBe(1);
    for (const each of events) expect(each).toMatchObject({ object: 'text_completion', usage: null });
    for (const index of [0, 1]) {
      const own = events.map((each) => each.choices[0]).filter((choice) => choice.index === index);
      expect(own.length).toBeGreaterThan(1);
      expect(own.map((choice) => choice.finish_reason)).toEqual([...own.slice(1).map(() => null), 'length']);
    }
  });
});

describe('the other routes', () => {
  it('GET /health, GET /v1/models', async () => {
    expect((await getJson(`${server.url}/health`)).body).toEqual({ status: 'ok', active: 0 });
    const { data } = (await getJson(`${server.url}/v1/models`)).body;
    expect(data).toEqual([
      expect.objectContaining({
        id: 'tiny',
        object: 'model',
        owned_by: 'cria',
        max_model_len: 256,
        meta: expect.objectContaining({ layers: 1 }),
      }),
    ]);
  });

  it.each([
    ['/', 'text/html; charset=utf-8'],
    ['/page.css', 'text/css; charset=utf-8'],
    ['/page.js', 'text/javascript; charset=utf-8'],
  ])('GET %s is part of the page, which fetches nothing from elsewhere', async (path, type) => {
    const response = await fetch(`${server.url}${path}`);
    expect([response.status, response.headers.get('content-type')]).toEqual([200, type]);
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(await response.text()).not.toMatch(/@import|url\(|https?:\/\/(?!www\.w3\.org\/2000\/svg)/);
  });

  it('404 and 405 in the shape of OpenAI', async () => {
    const missing = await getJson(`${server.url}/v1/nothing`);
    expect([missing.status, missing.body.error.code]).toEqual([404, 'not_found']);
    const wrong = await getJson(`${server.url}/v1/completions`);
    expect([wrong.status, wrong.headers.get('allow'), wrong.body.error.code]).toEqual([
      405,
      'POST',
      'method_not_allowed',
    ]);
  });
});

describe('who hangs up', () => {
  it.each([true, false])('cancels the text (stream: %s)', async (stream) => {
    const slow = await tinyServer({ model: 'slow' });
    const active = async () => (await getJson(`${slow.url}/health`)).body.active;
    const controller = new AbortController();
    const body = JSON.stringify({ prompt: 'x', max_tokens: 250, n: 3, stream });
    const headers = { 'content-type': 'application/json' };
    const asked = fetch(`${slow.url}/v1/completions`, {
      method: 'POST',
      headers,
      body,
      signal: controller.signal,
    });
    await waitFor(async () => (await active()) === 3);
    controller.abort();
    await expect(asked.then((response) => response.text())).rejects.toThrow();
    await waitFor(async () => (await active()) === 0);
    // The engine is free at once: this would wait for two of three texts otherwise.
    expect((await post(slow.url, { prompt: 'y', max_tokens: 2 })).status).toBe(200);
  });
});
