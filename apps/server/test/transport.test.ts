import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningServer } from '../src/index.ts';
import { DrainRate } from '../src/observe/drain-rate.ts';
import { errorShape, getJson, post, sendRaw, tinyServer, waitFor } from './tiny-server.ts';

let server: RunningServer;
beforeAll(async () => void (server = await tinyServer({ untilClosed: true, pingInterval: 20 })));
afterAll(() => server.close());

const idle = (url: string) => waitFor(async () => (await getJson(`${url}/health`)).body.active === 0);

describe('a stream', () => {
  it('begins with its headers and comments while the prompt waits for its turn', async () => {
    const slow = await tinyServer({ model: 'slow', maxSequences: 1, pingInterval: 20 });
    const first = post(slow.url, { prompt: 'x', max_tokens: 60 });
    await waitFor(async () => (await getJson(`${slow.url}/health`)).body.active === 1);
    const response = await fetch(`${slow.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ prompt: 'y', stream: true, max_tokens: 2 }),
    });
    expect([response.status, response.headers.get('content-type')]).toEqual([
      200,
      'text/event-stream; charset=utf-8',
    ]);
    expect((await getJson(`${slow.url}/health`)).body.active).toBe(2); // the first still runs
    const text = await response.text();
    expect(text).toMatch(/^(: ping\n\n){2,}data: \{[^]*data: \[DONE\]\n\n$/);
    await first;
  });

  it.each(['FIN', 'RST'])('ends with its text when the client goes by %s', async (how) => {
    const slow = await tinyServer({ model: 'slow' });
    const body = JSON.stringify({ prompt: 'x', max_tokens: 250, stream: true });
    const head = `POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
    const socket = connect(Number(new URL(slow.url).port), '127.0.0.1', () => socket.write(head + body));
    socket.on('error', () => {});
    await new Promise((resolve) => socket.once('data', resolve));
    // Half a close is a close: nobody can tell it from a client that is gone.
    if (how === 'FIN') socket.end();
    else socket.resetAndDestroy();
    await idle(slow.url);
    const { body: answer } = await getJson(`${slow.url}/health`);
    expect(answer).toEqual({ status: 'ok', active: 0 });
    const metrics = await (await fetch(`${slow.url}/metrics`)).text();
    expect(metrics).toContain('finished_reason="abort"} 1');
  });
});

describe('every answer has a request id', () => {
  it.each(['/health', '/nothing', '/%zz', '/v1/models', '/', '/openapi.json'])('of %s', async (path) => {
    const { headers } = await fetch(server.url + path);
    expect(headers.get('x-request-id')).toMatch(/^req_[0-9a-f]{32}$/);
  });

  it('the client’s own where it can stand in a header, in errors and streams too', async () => {
    const ask = (id: string, body: object) =>
      post(server.url, body, { headers: { 'content-type': 'application/json', 'x-request-id': id } });
    expect((await ask('mine-1', { prompt: 7 })).headers.get('x-request-id')).toBe('mine-1');
    expect((await ask('a b', { prompt: 'x' })).headers.get('x-request-id')).toMatch(/^req_/);
    const stream = await fetch(`${server.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-request-id': 'mine-2' },
      body: JSON.stringify({ prompt: 'x', stream: true }),
    });
    expect(stream.headers.get('x-request-id')).toBe('mine-2');
    await stream.text();
    expect(await sendRaw(server.url, 'HELO\r\n\r\n')).toMatch(/x-request-id: req_/);
  });
});

describe('hosts', () => {
  it.each<[string, string, number]>([
    ['none in HTTP/1.1', 'GET /health HTTP/1.1\r\n\r\n', 400],
    ['two', 'GET /health HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n\r\n', 400],
    ['none in HTTP/1.0', 'GET /health HTTP/1.0\r\n\r\n', 200],
    ['another', 'GET /health HTTP/1.1\r\nhost: evil.example\r\n\r\n', 403],
  ])('%s', async (_, bytes, status) => {
    const answer = await sendRaw(server.url, bytes);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    const body = JSON.parse(answer.split('\r\n\r\n')[1]!);
    if (status !== 200) expect(body).toEqual(errorShape);
    if (status === 403) expect(body.error.type).toBe('permission_error');
  });
});

it('a body that is too large is refused before it is sent', async () => {
  const head = 'POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n';
  const answer = await new Promise<string>((resolve) => {
    let all = '';
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    socket.write(`${head}expect: 100-continue\r\ncontent-length: 9000000\r\n\r\n`);
    socket.on('data', (data) => (all += data)).on('close', () => resolve(all));
    setTimeout(() => socket.destroy(), 500);
  });
  expect(answer).toMatch(/^HTTP\/1\.1 413 /);
});

describe('fields that are not known', () => {
  it('are ignored with a header and a line of the log, harmless ones without', async () => {
    const lines: object[] = [];
    const own = await tinyServer({ log: (line) => void lines.push(line) });
    const body = {
      prompt: 'secret words',
      qwertyuiop: 1,
      'a\nb': 2,
      metadata: { a: 'b' },
      cache_prompt: true,
    };
    const { status, headers } = await post(own.url, body);
    expect([status, headers.get('x-ignored-fields')]).toEqual([200, 'qwertyuiop, a?b']);
    await waitFor(() => lines.length === 2);
    expect(lines).toEqual([
      expect.objectContaining({ event: 'ignored fields', fields: 'qwertyuiop, a?b' }),
      expect.objectContaining({
        event: 'request',
        path: '/v1/completions',
        status: 200,
        completionTokens: 16,
      }),
    ]);
    expect(JSON.stringify(lines)).not.toContain('secret');
  });

  it('are refused with --strict', async () => {
    const own = await tinyServer({ strict: true });
    const { status, body } = await post(own.url, { prompt: 'x', qwertyuiop: 1 });
    expect([status, body.error.code, body.error.param]).toEqual([400, 'unknown_field', 'qwertyuiop']);
    expect((await post(own.url, { prompt: 'x', metadata: {}, suffix: '', logit_bias: {} })).status).toBe(200);
  });

  it('that ask for nothing are taken', async () => {
    const nothing = { suffix: '', logit_bias: {}, best_of: 0, response_format: { type: 'text' }, tools: [] };
    expect((await post(server.url, { prompt: 'x', ...nothing, seed: -1 })).status).toBe(200);
    expect((await post(server.url, { prompt: 'x', seed: -9223372036854775808 })).status).toBe(200);
    expect(
      (await post(server.url, { prompt: ['a', [1, 2]], best_of: 1, max_tokens: 1 })).body.choices,
    ).toHaveLength(2);
  });
});

it('paths without prefix and with a slash at the end are the same', async () => {
  for (const path of ['/completions', '/v1/completions/']) {
    const response = await fetch(server.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ prompt: 'x', max_tokens: 1 }),
    });
    expect(response.status).toBe(200);
    await response.text();
  }
  expect((await getJson(`${server.url}/v1/models/tiny`)).body).toMatchObject({ id: 'tiny', object: 'model' });
  const other = await getJson(`${server.url}/v1/models/other`);
  expect([other.status, other.body.error.code]).toEqual([404, 'model_not_found']);
});

describe('the rate at which texts end', () => {
  it('is that of the last of them, and idle time does not count', () => {
    let now = 0;
    const rate = new DrainRate(() => now);
    expect(rate.wait(1)).toBe(1000);
    const work = (ms: number, texts: number) => {
      rate.begin();
      for (let left = texts - 1; left >= 0; left--) {
        now += ms;
        rate.end(left);
      }
    };
    work(500, 10);
    expect(rate.wait(1)).toBeCloseTo(500, 3);
    expect(rate.wait(4)).toBeCloseTo(2000, 3);
    now += 1e6;
    work(500, 1);
    expect(rate.wait(1)).toBeCloseTo(500, 3);
    work(2000, 100);
    expect(rate.wait(1)).toBeCloseTo(2000, -1);
    expect([rate.wait(1e9), new DrainRate(() => 0).wait(5)]).toEqual([60_000, 1000]);
  });
});
