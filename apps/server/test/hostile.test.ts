import { Ajv } from 'ajv';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningServer } from '../src/index.ts';
import { routes } from '../src/routes/index.ts';
import { errorShape, getJson, postTo, tinyServer, waitFor } from './tiny-server.ts';

let server: RunningServer;
beforeAll(async () => void (server = await tinyServer({ untilClosed: true })));
afterAll(() => server.close());

const numbers = [-1, 0, 1, 2 ** 31, 2 ** 53, 1e308, 5e-324, -0.5];
const strings = ['', 'x', '\0', '\ud800', '__proto__', '<s>', '{{ 1 }}', 'x'.repeat(3000)];
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<unknown>(null, true, false, ...numbers, ...strings),
    fc.array(tie('any'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom('role', 'content', 'type', 'text', 'function', 'name', 'a'), tie('any'), {
      maxKeys: 4,
    }),
  ),
})).any;

/** Bodies that are good but for a few fields. */
const good: Readonly<Record<string, object>> = {
  '/v1/completions': { prompt: 'x', max_tokens: 1 },
  '/v1/chat/completions': { messages: [{ role: 'user', content: 'x' }], max_tokens: 1 },
  '/v1/embeddings': { input: 'x' },
  '/apply-template': { messages: [{ role: 'user', content: 'x' }] },
  '/tokenize': { content: 'x' },
  '/detokenize': { tokens: [65] },
};

describe('whatever comes is answered, and nothing of it stays', () => {
  it.each(routes.filter(({ body }) => body))('$path', async ({ path, body }) => {
    const fields = fc.constantFrom(...Object.keys(body!.properties), 'response_format', 'zzz');
    const wild = fc.dictionary(fields, value, { maxKeys: 3 });
    const bodies = fc.sample(
      fc.oneof(
        wild.map((some) => ({ ...good[path], ...some })),
        value,
      ),
      {
        numRuns: 600,
        seed: 7,
      },
    );
    for (let i = 0; i < bodies.length; i += 20) {
      await Promise.all(
        bodies.slice(i, i + 20).map(async (each) => {
          const response = await fetch(server.url + path, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify(each),
          });
          const text = await response.text();
          const shown = `${response.status} ${JSON.stringify(each).slice(0, 300)} ${text.slice(0, 300)}`;
          expect(response.status < 500 || response.status === 503, shown).toBe(true);
          if (response.status >= 400) expect(JSON.parse(text), shown).toEqual(errorShape);
        }),
      );
    }
    await waitFor(async () => (await getJson(`${server.url}/health`)).body.active === 0);
  });
});

it('the OpenAPI document is one, and its schemas take what the server takes', async () => {
  const { body } = await getJson(`${server.url}/openapi.json`);
  expect(body).toMatchObject({ openapi: '3.1.0', paths: { '/v1/models/{id}': { get: {} }, '/health': {} } });
  const ids = Object.values<object>(body.paths).flatMap((path) =>
    Object.values(path).map(({ operationId }) => operationId),
  );
  expect(new Set(ids).size).toBe(routes.length);
  const ajv = new Ajv({ strict: false });
  for (const [path, request] of Object.entries(good)) {
    const check = ajv.compile(body.paths[path].post.requestBody.content['application/json'].schema);
    expect([path, check(request), check({ ...request, model: 7 })]).toEqual([path, true, false]);
    expect((await postTo(server.url + path, request)).status).toBe(200);
  }
});

it('metrics are in the format of Prometheus', async () => {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const line =
    /^(# (HELP|TYPE) [a-z0-9_:]+ .+|[a-z0-9_:]+(\{([a-z_]+="[^"]*",?)*\})? (\d+(\.\d+)?(e-?\d+)?))$/;
  expect(
    text
      .trimEnd()
      .split('\n')
      .filter((each) => !line.test(each)),
  ).toEqual([]);
  for (const name of ['llamacpp:requests_processing 0', 'vllm:num_requests_running{model_name="tiny"} 0'])
    expect(text).toContain(`\n${name}\n`);
});

it('pieces of tokens, properties and slots', async () => {
  const pieces = await postTo(`${server.url}/tokenize`, {
    content: 'é',
    with_pieces: true,
    add_special: true,
  });
  expect(pieces.body).toEqual({
    tokens: [
      { id: 256, piece: '' },
      { id: 0xc3, piece: [0xc3] },
      { id: 0xa9, piece: [0xa9] },
    ],
  });
  expect((await postTo(`${server.url}/detokenize`, { tokens: [0xc3, 0xa9] })).body.content).toBe('é');
  expect((await getJson(`${server.url}/props`)).body).toMatchObject({ total_slots: 16, model_alias: 'tiny' });
  expect((await getJson(`${server.url}/slots`)).body).toHaveLength(16);
});
