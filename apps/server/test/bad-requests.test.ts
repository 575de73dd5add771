import { connect } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningServer } from '../src/index.ts';
import { getJson, post, tinyServer, waitFor } from './tiny-server.ts';

let server: RunningServer;
beforeAll(async () => void (server = await tinyServer({ untilClosed: true })));
afterAll(() => server.close());

const errorShape = {
  error: {
    message: expect.any(String),
    type: expect.any(String),
    param: expect.toSatisfy(orNull),
    code: expect.toSatisfy(orNull),
  },
};
function orNull(value: unknown): boolean {
  return value === null || typeof value === 'string';
}

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
    [{ prompt: 'x', logprobs: 5 }, 'logprobs', 'does not give log probabilities yet'],
    [{ prompt: 'x', temprature: 1 }, 'temprature', 'did you mean "temperature"'],
    [{ prompt: 'x', maxTokens: 1 }, 'maxTokens', 'did you mean "max_tokens"'],
    [{ prompt: 'x', qwertyuiop: 1 }, 'qwertyuiop', 'known fields are prompt, model'],
    [{ prompt: 'x'.repeat(300) }, 'prompt', 'the prompt has 301 tokens, the context 256'],
    [[], null, 'not a JSON object'],
    ['"text"', null, 'not a JSON object'],
    ['{"prompt": "x"', null, 'JSON'],
    ['{"prompt": "x", "__proto__": {}}', null, ''],
    ['', null, ''],
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

  it('bytes that are not HTTP: 400', async () => {
    const text = await new Promise<string>((resolve) => {
      let all = '';
      const socket = connect(Number(new URL(server.url).port), '127.0.0.1', () =>
        socket.write('HELO there\r\n\r\n'),
      );
      socket.on('data', (data) => (all += data)).on('close', () => resolve(all));
    });
    expect(text).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(JSON.parse(text.split('\r\n\r\n')[1]!)).toEqual(errorShape);
  });
});

describe('malformed requests by the hundreds', () => {
  const fields = [
    'prompt',
    'max_tokens',
    'temperature',
    'top_p',
    'top_k',
    'min_p',
    'seed',
    'stop',
    'n',
    'stream',
    'echo',
    'model',
    'stream_options',
    'logit_bias',
    'x',
  ];
  const value = fc.oneof(
    fc.jsonValue(),
    fc.integer({ min: -3, max: 300 }),
    fc.double(),
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.array(fc.oneof(fc.string(), fc.nat(300)), { maxLength: 4 }),
    fc.boolean(),
  );
  const bodies = fc.oneof(
    fc.dictionary(fc.constantFrom(...fields), value, { maxKeys: 5 }).map((body) => JSON.stringify(body)),
    fc
      .dictionary(fc.constantFrom(...fields), value, { maxKeys: 3 })
      .map((body) => JSON.stringify({ prompt: 'x', max_tokens: 2, ...body })),
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.jsonValue().map((json) => JSON.stringify(json)),
  );
  const runs = Number(process.env['CRIA_FUZZ_RUNS'] ?? 400);

  it(`${runs} of them: an answer or a 4xx with the error's shape, never a 5xx`, async () => {
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(bodies, async (body) => {
        const response = await fetch(`${server.url}/v1/completions`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body,
        });
        const text = await response.text();
        if (response.status === 200) return;
        refused++;
        expect(response.status).toBeGreaterThanOrEqual(400);
        expect(response.status).toBeLessThan(500);
        expect(JSON.parse(text)).toEqual(errorShape);
      }),
      { numRuns: runs },
    );
    expect(refused).toBeGreaterThan(runs / 4);
    expect(refused).toBeLessThan(runs);
    expect((await post(server.url, { prompt: 'still there' })).status).toBe(200);
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
    expect((await first).status).toBe(200);
    expect((await post(busy.url, { prompt: 'y', n: 2, max_tokens: 1 })).status).toBe(200);
  });
});
