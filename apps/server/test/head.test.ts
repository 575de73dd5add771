import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningServer } from '../src/index.ts';
import { errorShape, sendRaw, tinyServer } from './tiny-server.ts';

let server: RunningServer;
beforeAll(async () => void (server = await tinyServer({ untilClosed: true })));
afterAll(() => server.close());

/** Head and body of the answer to one request, as they come over the wire. */
async function ask(head: string, body = ''): Promise<{ status: number; head: string; body: string }> {
  const answer = await sendRaw(server.url, `${head}\r\nhost: localhost\r\nconnection: close\r\n${body}`);
  const at = answer.indexOf('\r\n\r\n');
  return { status: Number(answer.split(' ')[1]), head: answer.slice(0, at), body: answer.slice(at + 4) };
}

describe('HEAD is answered without a body', () => {
  it.each<[string, number]>([
    ['/', 200],
    ['/page.css', 200],
    ['/page.js', 200],
    ['/health', 200],
    ['/v1/models', 200],
    ['/v1/completions', 405],
    ['/nothing', 404],
    ['/%zz', 400],
  ])('of %s', async (path, status) => {
    const answer = await ask(`HEAD ${path} HTTP/1.1`, '\r\n');
    expect([answer.status, answer.body]).toEqual([status, '']);
  });

  it.each<[string, string, number]>([
    ['too many headers', `x: ${'y'.repeat(20_000)}\r\n\r\n`, 431],
    ['a broken header', 'x y\r\n\r\n', 400],
    ['two lengths', 'content-length: 1\r\ncontent-length: 2\r\n\r\nab', 400],
  ])('with %s', async (_, rest, status) => {
    expect(await ask('HEAD /v1/models HTTP/1.1', rest)).toMatchObject({ status, body: '' });
    const { body } = await ask('GET /v1/models HTTP/1.1', rest);
    if (body !== '') expect(JSON.parse(body)).toEqual(errorShape);
  });

  it('behind another request', async () => {
    const first = 'GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n';
    const second = `HEAD /health HTTP/1.1\r\nhost: localhost\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`;
    const answer = await sendRaw(server.url, first + second);
    expect(answer).toMatch(/431 [^]*content-length: 0\r\n[^]*\r\n\r\n$/);
  });
});

it('other refusals have their reason as a body', async () => {
  const { status, body } = await ask('GET / HTTP/1.1', `x: ${'y'.repeat(20_000)}\r\n\r\n`);
  expect([status, JSON.parse(body)]).toEqual([431, errorShape]);
});
