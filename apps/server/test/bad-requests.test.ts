import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningServer } from '../src/index.ts';
import { errorShape, getJson, post, sendRaw, tinyServer, waitFor } from './tiny-server.ts';

let server: RunningServer;
beforeAll(async () => void (server = await tinyServer({ untilClosed: true })));
afterAll(() => server.close());

describe('a wrong request gets 400, with the field and what to give instead', () => {
  it.each<[unknown, string | null, string]>([
    [{}, 'prompt', 'prompt is missing. hint: give a string'],
    [{ prompt: 7 }, 'prompt', 'prompt is 7. hint: give a string, a list of token ids, or a list of either'],
    [{ prompt: ['a', 1] }, 'prompt', 'prompt is ["a",1]'],
    [{ prompt: [] }, 'prompt', 'prompt is []'],
    [{ prompt: [300] }, 'prompt', 'prompt is 300, not a token id: they go from 0 to 257'],
    [
      { prompt: 'x', temperature: 'hot' },
      'temperature',
      'temperature is "hot". hint: give a number from 0 on',
    ],
    [{ prompt: 'x', temperature: -0.1 }, 'temperature', 'temperature is -0.1'],
    [{ prompt: 'x', top_p: 1.5 }, 'top_p', 'top_p is 1.5. hint: give a number from 0 to 1'],
    [{ prompt: 'x', top_k: 2.5 }, 'top_k', 'a whole number'],
    [{ prompt: 'x', max_tokens: '5' }, 'max_tokens', 'max_tokens is "5"'],
    [{ prompt: 'x', max_tokens: -1 }, 'max_tokens', 'max_tokens is -1'],
    [{ prompt: 'x', seed: 1e300 }, 'seed', 'seed is 1e+300'],
    [{ prompt: 'x', n: 0 }, 'n', 'n is 0. hint: give a whole number from 1 to 128'],
    [{ prompt: ['a', 'b'], n: 65 }, 'n', 'more than 128 texts'],
    [{ prompt: 'x', stop: '' }, 'stop', 'stop is ""'],
    [{ prompt: 'x', stop: ['a', 7] }, 'stop', 'stop is ["a",7]'],
    [{ prompt: 'x', stop: '\ud800' }, 'stop', 'without half characters'],
    [{ prompt: 'x', stream: 1 }, 'stream', 'stream is 1. hint: give true or false'],
    [{ prompt: 'x', stream_options: { usage: true } }, 'stream_options', 'include_usage'],
    [{ prompt: 'x', logprobs: 21 }, 'logprobs', 'logprobs is 21. hint: give a whole number from 0 to 20'],
    [{ prompt: 'x', temprature: 1 }, 'temprature', 'did you mean "temperature"'],
    [{ prompt: 'x', maxTokens: 1 }, 'maxTokens', 'did you mean "max_tokens"'],
    [{ prompt: 'x', tools: [{ type: 'function' }] }, 'tools', 'hint: leave tools out'],
    [{ prompt: 'x', best_of: 4, n: 2 }, 'best_of', 'ranks no texts'],
    [{ prompt: 'x', stream_options: {} }, 'stream_options', 'add "stream": true'],
    [{ prompt: 'x', max_tokens: 4, max_completion_tokens: 5 }, 'max_completion_tokens', 'give one of them'],
    [{ prompt: 'x'.repeat(300) }, 'prompt', 'the prompt has 301 tokens, the context 256'],
    ['{"prompt": "x", "temperature": 1e999}', 'temperature', 'temperature is Infinity'],
    [[], null, 'not a JSON object'],
    ['"text"', null, 'not a JSON object'],
    ['{"prompt": "x"', null, 'JSON'],
    ['{"prompt": "x", "__proto__": {}}', null, ''],
    ['', null, 'the body is empty'],
  ])('%j', async (request, param, message) => {
    const { status, body } = await post(server.url, request);
    expect([status, body.error.param]).toEqual([400, param]);
    expect(body).toEqual(errorShape);
    expect(body.error.message).toContain(message);
    expect(body.error.type).toBe('invalid_request_error');
  });

  it('another model: 404; another content type: 415; a large body: 413', async () => {
    const model = await post(server.url, { prompt: 'x', model: 'gpt' });
    expect([model.status, model.body.error]).toEqual([
      404,
      expect.objectContaining({ code: 'model_not_found', param: 'model' }),
    ]);
    const text = await post(server.url, 'x', { headers: { 'content-type': 'text/plain' } });
    expect([text.status, text.body]).toEqual([415, errorShape]);
    const large = await post(server.url, { prompt: 'x'.repeat(3 * 2 ** 20) });
    expect([large.status, large.body]).toEqual([413, errorShape]);
  });

  it('a value nested deeper than any stack: 400', async () => {
    for (const [open, close] of [
      ['[', ']'],
      ['{"a":', '}'],
    ] as const) {
      const deep = `${open.repeat(200_000)}1${close.repeat(200_000)}`;
      const { status, body } = await post(server.url, `{"prompt": ${deep}}`);
      expect([status, body]).toEqual([400, errorShape]);
      expect(body.error.message).toContain('prompt is ');
      expect((await post(server.url, deep)).status).toBe(400);
    }
  });

  it('a path that is no URL: 400; a host that is not this machine: 403', async () => {
    const bad = await getJson(`${server.url}/%zz`);
    expect([bad.status, bad.body, bad.body.error.code]).toEqual([400, errorShape, 'bad_url']);
    const ask = (host: string) => sendRaw(server.url, `GET /health HTTP/1.0\r\nhost: ${host}\r\n\r\n`);
    for (const host of [
      'evil.example',
      'evil.example:8080',
      'localhost.evil.example',
      '127.0.0.1.evil.example',
    ])
      expect(await ask(host)).toMatch(/^HTTP\/1\.1 403 [^]*"host_not_allowed"/);
    for (const host of ['localhost', 'LOCALHOST:8080', 'a.localhost', '127.0.0.1:1', '[::1]:8080', ''])
      expect(await ask(host)).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('a long prompt with a large n: refused as quickly as once', async () => {
    const { status, body } = await post(server.url, { prompt: 'x'.repeat(2_000_000), n: 128 });
    expect([status, body.error.message]).toEqual([400, expect.stringContaining('has 2000001 tokens')]);
  });

  it('bytes that are not HTTP: 400', async () => {
    const text = await sendRaw(server.url, 'HELO there\r\n\r\n');
    expect(text).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(JSON.parse(text.split('\r\n\r\n')[1]!)).toEqual(errorShape);
  });
});

describe('a server that has enough to do', () => {
  it('refuses with 429 and Retry-After, whole requests only, and goes on', async () => {
    const busy = await tinyServer({ model: 'slow', maxSequences: 2, maxWaiting: 2 });
    const first = post(busy.url, { prompt: 'x', n: 3, max_tokens: 60 });
    await waitFor(async () => (await getJson(`${busy.url}/health`)).body.active === 3);
    const refused = await post(busy.url, { prompt: 'y', n: 2 });
    expect([refused.status, refused.headers.get('retry-after'), refused.body.error]).toEqual([
      429,
      '1',
      expect.objectContaining({ type: 'rate_limit_error', code: 'queue_full' }),
    ]);
    expect((await getJson(`${busy.url}/health`)).body.active).toBe(3);
    // Nothing of the refused request holds the one place that is left.
    expect((await post(busy.url, { prompt: 'y', max_tokens: 1 })).status).toBe(200);
    expect((await first).status).toBe(200);
    expect((await post(busy.url, { prompt: 'y', n: 2, max_tokens: 1 })).status).toBe(200);
  });
});
