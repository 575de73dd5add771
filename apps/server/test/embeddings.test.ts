import { Llama, llamaConfig } from '@cria/layers';
import { Engine } from '@cria/inference';
import { reference } from '@cria/tensor';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { byteTokenizer } from '../../../scripts/support/byte-tokenizer.ts';
import type { RunningServer } from '../src/index.ts';
import { errorShape, getJson, postTo, tinyServer, tinyThread, waitFor } from './tiny-server.ts';

let server: RunningServer;
let client: OpenAI;
beforeAll(async () => {
  server = await tinyServer({ untilClosed: true });
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 });
});
afterAll(() => server.close());

const embed = (body: object) => postTo(`${server.url}/v1/embeddings`, body);
const vectors = async (body: object) =>
  (await embed(body)).body.data.map(({ embedding }: { embedding: number[] }) => embedding);
const norm = (vector: readonly number[]) => Math.hypot(...vector);

/** The vectors that the library gives, of the model that the server's test thread has. */
async function byLibrary(prompts: readonly string[], options: object): Promise<number[][]> {
  using device = reference();
  const shape = { dim: 16, nLayers: 1, nHeads: 2, nKvHeads: 1, ffnDim: 32, contextLength: 256 };
  using model = new Llama(llamaConfig({ ...shape, vocabSize: 258 }), { device });
  model.parameters.allocate();
  model.parameters.initialize(5);
  const { values } = model.parameters;
  for (let i = 0; i < 4; i++) device.kernels.add(values, values, values);
  await using engine = new Engine({ model, tokenizer: byteTokenizer, cacheDType: 'bf16' });
  const found: number[][] = [];
  for (const prompt of prompts) found.push([...(await engine.embed({ prompt, ...options })).vector]);
  return found;
}

describe('POST /v1/embeddings', () => {
  const texts = ['a llama', 'an alpaca, which is another animal', 'A'];

  it.each(['mean', 'last', 'cls'] as const)('gives what the library gives: %s', async (pooling) => {
    const input = await vectors({ input: texts, pooling, normalize: false });
    expect(input).toEqual(await byLibrary(texts, { pool: pooling, normalize: false }));
  });

  it('normalises by default, whatever the company', async () => {
    const [alone] = await vectors({ input: texts[1] });
    const together = await vectors({ input: [...texts, ...texts] });
    expect(norm(alone)).toBeCloseTo(1, 6);
    expect([together[1], together[4]]).toEqual([alone, alone]);
    expect(await vectors({ input: [...byteTokenizer.encode(texts[1]!, { addBos: true })] })).toEqual([alone]);
  });

  it('answers the client of OpenAI, which asks for base64', async () => {
    const answer = await client.embeddings.create({ model: 'tiny', input: texts });
    expect(answer).toMatchObject({ object: 'list', model: 'tiny' });
    expect(answer.data.map(({ index }) => index)).toEqual([0, 1, 2]);
    const count = texts.reduce((sum, text) => sum + 1 + text.length, 0);
    expect(answer.usage).toEqual({ prompt_tokens: count, total_tokens: count });
    expect(answer.data.map(({ embedding }) => [...embedding])).toEqual(await vectors({ input: texts }));
  });

  it.each([
    [{}, 'input'],
    [{ input: [] }, 'input'],
    [{ input: 'x'.repeat(300) }, 'prompt'],
    [{ input: [[1, 2], [258]] }, 'prompt'],
    [{ input: 'x', pooling: 'max' }, 'pooling'],
    [{ input: 'x', dimensions: 8 }, 'dimensions'],
    [{ input: 'x', encoding_format: 'int8' }, 'encoding_format'],
  ])('refuses %j', async (body, param) => {
    const { status, body: answer } = await embed(body);
    expect([status, answer.error?.param]).toEqual([400, param]);
    expect(answer).toEqual(errorShape);
  });

  it('whoever leaves takes the work along', async () => {
    const thread = { ...tinyThread, url: new URL('./counting-engine.ts', import.meta.url) };
    const counting = await tinyServer({ model: 'counting', thread });
    const gone = new AbortController();
    const left = fetch(`${counting.url}/v1/embeddings`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ input: [[7], [7, 7], [7]] }),
      signal: gone.signal,
    });
    const active = async () => (await getJson(`${counting.url}/health`)).body.active;
    await waitFor(async () => (await active()) === 3);
    gone.abort();
    await expect(left).rejects.toThrow('aborted');
    await waitFor(async () => (await active()) === 0);
    const { body } = await postTo(`${counting.url}/v1/embeddings`, { input: [1] });
    expect(body.data[0].embedding).toEqual([0, 1, 2]);
  });
});
