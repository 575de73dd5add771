import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CompletionBody } from '../src/schema/completion.ts';
import type { RunningServer } from '../src/index.ts';
import { errorShape, getJson, post, sendRaw, tinyServer } from './tiny-server.ts';

// CRIA_HEAVY=1 sends thousands; the short version a few hundred.
const runs = process.env['CRIA_HEAVY'] ? 5000 : 100;

let server: RunningServer;
beforeAll(async () => void (server = await tinyServer({ untilClosed: true, strict: true })));
afterAll(() => server.close());
const json = { 'content-type': 'application/json' };

/** Sends a request that nobody can answer, and demands a 4xx that says so in OpenAI's shape. */
async function refused(body: string | Uint8Array, init: RequestInit = {}, path = '/v1/completions') {
  const response = await fetch(`${server.url}${path}`, { method: 'POST', headers: json, body, ...init });
  const text = await response.text();
  expect(response.status, text).toBeGreaterThanOrEqual(400);
  expect(response.status, text).toBeLessThan(500);
  expect(JSON.parse(text)).toEqual(errorShape);
}

const text = fc.string({ unit: 'binary', maxLength: 20 });
const known = Object.keys(CompletionBody.properties);
const negative = fc.oneof(
  fc.integer({ max: -1 }),
  fc.double({ max: -1e-9, noNaN: true, noDefaultInfinity: true }),
);
const fraction = fc.double({ min: 0.01, max: 1e6, noNaN: true }).filter((value) => !Number.isInteger(value));
const object = fc.dictionary(text, fc.jsonValue(), { maxKeys: 3 });
const list = fc.array(fc.jsonValue(), { maxLength: 3 });
const notNumber = fc.oneof(text, fc.boolean(), object, list, fc.constant(Infinity));
const notWhole = fc.oneof(notNumber, negative, fraction, fc.constant(2 ** 53));
const notFlag = fc.oneof(text, fc.integer(), object, list);
const notShare = fc.oneof(notNumber, negative, fc.double({ min: 1.01, noNaN: true }));
const notPenalty = fc.oneof(
  notNumber,
  fc.double({ min: 2.01, noNaN: true }),
  fc.double({ max: -2.01, noNaN: true, noDefaultInfinity: true }),
);

/** What no field takes, for those without values of their own below. */
const nobodys = fc.constantFrom([{ no: 1 }], [[[]]]);

/** Values that a field cannot have. */
const wrong: Record<string, fc.Arbitrary<unknown>> = {
  prompt: fc.oneof(
    fc.constantFrom(null, [], [[]], [1, 'a'], ['a', ['b']], [-1], [1.5], [258], [2 ** 53]),
    fc.integer(),
    fc.boolean(),
    object,
    fc.string({ minLength: 257, maxLength: 400 }), // longer than the context
  ),
  model: fc.oneof(
    text.filter((name) => name !== 'tiny'),
    fc.integer(),
    object,
    list,
  ),
  max_tokens: notWhole,
  temperature: fc.oneof(notNumber, negative),
  top_p: notShare,
  top_k: notWhole,
  min_p: notShare,
  repetition_penalty: fc.oneof(notNumber, negative, fc.constant(0)),
  presence_penalty: notPenalty,
  frequency_penalty: notPenalty,
  seed: fc.oneof(notNumber, fraction, fc.constant(2 ** 64)),
  stop: fc.oneof(
    fc.constantFrom('', [''], ['a', 7], '\ud800', Array.from({ length: 33 }, String)),
    fc.integer(),
    fc.boolean(),
    object,
  ),
  ignore_eos: notFlag,
  echo: notFlag,
  n: fc.oneof(notWhole, fc.integer({ min: 129 }), fc.constant(0)),
  stream: notFlag,
  stream_options: fc.oneof(
    text,
    fc.integer(),
    fc.array(fc.jsonValue(), { minLength: 1, maxLength: 3 }),
    fc.constantFrom({ usage: true }, { include_usage: 1 }),
  ),
  best_of: fc.oneof(notWhole, fc.integer({ min: 2 })),
};

/** JSON with Infinity as a number that is too large. */
function write(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) => (each === Infinity ? '1e999' : each)).replaceAll(
    '"1e999"',
    '1e999',
  );
}

describe('requests that nobody can answer get a 4xx that says why, and the server lives on', () => {
  const check = <T>(what: string, arbitrary: fc.Arbitrary<T>, send: (value: T) => Promise<void>) =>
    it(`${runs} times ${what}`, { timeout: 600_000 }, async () => {
      await fc.assert(fc.asyncProperty(arbitrary, send), { numRuns: runs });
      expect((await post(server.url, { prompt: 'still there', max_tokens: 1 })).status).toBe(200);
    });

  it('knows no field that is gone', () => expect(known).toEqual(expect.arrayContaining(Object.keys(wrong))));

  const wrongField = fc
    .constantFrom(...known)
    .chain((name) => fc.tuple(fc.constant(name), wrong[name] ?? nobodys));
  check('a field with a wrong value', wrongField, ([name, value]) =>
    refused(write({ prompt: 'x', max_tokens: 1, [name]: value })),
  );

  const unknown = text.filter((name) => !known.includes(name) && name !== '__proto__');
  check('an unknown field', fc.tuple(unknown, fc.jsonValue()), ([name, value]) =>
    refused(JSON.stringify({ prompt: 'x', max_tokens: 1, [name]: value })),
  );

  const whole = JSON.stringify({ prompt: 'a prompt', max_tokens: 1, stop: ['x'], seed: 7 });
  check('JSON that is cut off', fc.nat(whole.length - 1), (length) => refused(whole.slice(0, length)));

  const notAnObject = fc
    .jsonValue()
    .filter((value) => typeof value !== 'object' || value === null || Array.isArray(value));
  check('JSON that is no object', notAnObject, (value) => refused(JSON.stringify(value)));

  check('bytes', fc.uint8Array({ maxLength: 200 }), (bytes) => refused(bytes));

  const otherType = fc.constantFrom(
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data',
    'json',
    '*/*',
    ';',
    'application/jsonp',
  );
  check('another content type', otherType, (type) => refused(whole, { headers: { 'content-type': type } }));

  const path = fc
    .webPath()
    .filter((each) => !['', '/', '/health', '/v1/models', '/v1/completions'].includes(each));
  check(
    'another path or method',
    fc.tuple(path, fc.constantFrom('POST', 'PUT', 'DELETE', 'PATCH')),
    ([path, method]) => refused(whole, { method }, path),
  );

  // Random bytes, random headers, and a good head with a wrong length: never 2xx or 5xx, and the connection ends.
  const header = fc.tuple(fc.string({ unit: 'grapheme-ascii', maxLength: 10 }), text);
  const raw = fc.oneof(
    fc
      .uint8Array({ minLength: 1, maxLength: 100 })
      .map((bytes) => Buffer.concat([bytes, Buffer.from('\r\n\r\n')])),
    fc
      .tuple(fc.constantFrom('GET', 'POST', 'BREW', ''), text, fc.array(header, { maxLength: 3 }))
      .map(([method, target, headers]) =>
        Buffer.from(
          `${method} /x${target} HTTP/1.1\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
        ),
      ),
    fc.tuple(fc.integer({ min: -9, max: whole.length - 1 }), fc.boolean()).map(([length, twice]) => {
      const lengths = `content-length: ${length}\r\n${twice ? `content-length: ${whole.length}\r\n` : ''}`;
      return Buffer.from(
        `POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n${lengths}\r\n${whole}`,
      );
    }),
  );
  check('bytes instead of HTTP', raw, async (bytes) => {
    const answer = await sendRaw(server.url, bytes);
    if (!/^(HTTP\/1\.1 4\d\d |$)/.test(answer)) throw new Error(answer);
  });
});

it(`${runs} requests of random fields: an answer or a 4xx, never a 5xx`, { timeout: 600_000 }, async () => {
  const value = fc.oneof(
    fc.jsonValue(),
    fc.integer({ min: -3, max: 300 }),
    fc.double(),
    text,
    list,
    fc.boolean(),
  );
  const bodies = fc.dictionary(fc.constantFrom(...known, 'x'), value, { maxKeys: 4 });
  const seen = { good: 0, bad: 0 };
  await fc.assert(
    fc.asyncProperty(bodies, async (body) => {
      const response = await fetch(`${server.url}/v1/completions`, {
        method: 'POST',
        headers: json,
        body: JSON.stringify({ prompt: 'x', max_tokens: 2, ...body }),
      });
      const text = await response.text();
      if (response.status === 200) return void seen.good++;
      seen.bad++;
      expect(response.status, text).toBeGreaterThanOrEqual(400);
      expect(response.status, text).toBeLessThan(500);
      expect(JSON.parse(text)).toEqual(errorShape);
    }),
    { numRuns: runs },
  );
  expect(Math.min(seen.good, seen.bad)).toBeGreaterThan(runs / 50);
  expect((await getJson(`${server.url}/health`)).body).toEqual({ status: 'ok', active: 0 });
});
