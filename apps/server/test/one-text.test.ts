import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { EngineFailure, RunningServer } from '../src/index.ts';
import { getJson, post, streamEvents, tinyServer } from './tiny-server.ts';

const onFailure = vi.fn<(failure: EngineFailure) => void>();
const onError = vi.fn<(error: unknown) => void>();

async function streamed(url: string, body: object): Promise<string[]> {
  const response = await fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...body, stream: true }),
  });
  const data: string[] = [];
  for await (const each of streamEvents(response)) data.push(each);
  return data;
}

describe('a text that cannot go on', () => {
  let server: RunningServer;
  beforeAll(async () => {
    server = await tinyServer({ model: 'poisoned', untilClosed: true, onFailure, onError });
  });
  afterAll(() => server.close());

  it('ends alone: 500 for it, its text for everyone else, a word for the operator', async () => {
    const innocent = { prompt: 'Once', seed: 3, max_tokens: 60 };
    const alone = await post(server.url, innocent);
    const [other, poisoned, events] = await Promise.all([
      post(server.url, innocent),
      post(server.url, { prompt: [256, 7], max_tokens: 60 }),
      streamed(server.url, { prompt: [256, 7], max_tokens: 60, top_p: 0.5 }),
    ]);
    expect(other.body.choices).toEqual(alone.body.choices);
    expect([poisoned.status, poisoned.body.error.code]).toEqual([500, 'internal_error']);
    // No [DONE] after an error: clients would take it for a good end.
    expect(events.map((each) => JSON.parse(each).error.code)).toEqual(['internal_error']);
    expect(onError).toHaveBeenCalledTimes(2);
    expect(onError.mock.calls.map(([error]) => String(error))).toEqual([
      expect.stringContaining('the largest logit is NaN'),
      expect.stringContaining('the largest logit is NaN'),
    ]);
    expect(onFailure).not.toHaveBeenCalled();
    expect((await getJson(`${server.url}/health`)).body).toEqual({ status: 'ok', active: 0 });
  });
});

describe('what a request asks for', () => {
  let server: RunningServer;
  beforeAll(async () => void (server = await tinyServer({ untilClosed: true, onFailure })));
  afterAll(() => server.close());

  it('may be numbers at their extremes, which end nobody', async () => {
    const extremes = [1e-308, 5e-324, -5e-324, '-0', 1e308, '1.8e308', 1.7976931348623157e308];
    const fields = ['temperature', 'top_p', 'min_p', 'top_k', 'repetition_penalty', 'presence_penalty'];
    const running = post(server.url, { prompt: 'Once', seed: 3, max_tokens: 200 });
    for (const field of [...fields, 'frequency_penalty', 'seed', 'max_tokens', 'n']) {
      for (const value of extremes) {
        const { status, body } = await post(server.url, `{"prompt": "x", "${field}": ${value}}`);
        expect([200, 400], `${field} ${value}: ${JSON.stringify(body)}`).toContain(status);
      }
    }
    const penalty = { prompt: 'Once upon a time', repetition_penalty: 1e-308, max_tokens: 64 };
    expect((await post(server.url, penalty)).body.error).toMatchObject({ param: 'repetition_penalty' });
    expect((await running).status).toBe(200);
    expect(onFailure).not.toHaveBeenCalled();
  });

  it('may be stop strings, bounded in number and length', async () => {
    const { status, body } = await post(server.url, { prompt: 'x', stop: 'a'.repeat(1_800_000), n: 8 });
    expect([status, body.error.param]).toEqual([400, 'stop']);
    expect(body.error.message.length).toBeLessThan(400);
    const many = Array.from({ length: 32 }, () => 'a'.repeat(129));
    expect((await post(server.url, { prompt: 'x', stop: many })).body.error.param).toBe('stop');
    expect((await post(server.url, { prompt: 'x', stop: 'ab'.repeat(2048) })).status).toBe(200);
  });
});

describe('long prompts', () => {
  let server: RunningServer;
  beforeAll(async () => {
    server = await tinyServer({ model: 'wordy', untilClosed: true, onFailure, onError, maxWaiting: 8 });
  });
  afterAll(() => server.close());
  const spaces = ' '.repeat(1_000_000);

  it('are encoded on another thread, while others go on, and are the prompt they were', async () => {
    const order: string[] = [];
    const note = (name: string) => (answer: Awaited<ReturnType<typeof post>>) => {
      order.push(name);
      return answer;
    };
    const options = { temperature: 0, max_tokens: 8, echo: true, n: 2 };
    const [long] = await Promise.all([
      post(server.url, { prompt: [`${spaces}a`, 'b'], ...options }).then(note('long')),
      post(server.url, { prompt: 'short', max_tokens: 100 }).then(note('short')),
    ]);
    expect(order).toEqual(['short', 'long']);
    const short = await post(server.url, { prompt: [' a', 'b'], ...options });
    const texts = short.body.choices.map((choice: { text: string }) => choice.text);
    expect(long.body.usage).toEqual(short.body.usage);
    expect(long.body.choices.map((choice: { text: string }) => choice.text)).toEqual(
      texts.map((text: string, i: number) => (i < 2 ? `${spaces}a${text.slice(2)}` : text)),
    );
  });

  it('that cannot fit are refused before, and those that do not after', async () => {
    const before = await post(server.url, { prompt: 'x'.repeat(1_000_000), n: 128 });
    expect([before.status, before.body.error.message]).toEqual([
      400,
      expect.stringContaining('has 1000001 tokens or more, the context 256.'),
    ]);
    const after = await post(server.url, { prompt: `${'x y '.repeat(120)}${spaces}` });
    expect([after.status, after.body.error.message]).toEqual([
      400,
      expect.stringContaining('the prompt has 481 tokens, the context 256.'),
    ]);
  });

  it('that break the tokenizer, or its thread, end alone', async () => {
    onError.mockClear();
    for (const start of ['!', '!!']) {
      const { status, body } = await post(server.url, { prompt: `${start}${spaces}` });
      expect([status, body.error.code]).toEqual([500, 'internal_error']);
      expect((await post(server.url, { prompt: spaces, max_tokens: 1 })).status).toBe(200);
    }
    expect(onError.mock.calls.map(([error]) => String(error))).toEqual([
      expect.stringContaining('a bug in the tokenizer'),
      expect.stringContaining('its thread ended'),
    ]);
    expect(onFailure).not.toHaveBeenCalled();
  });

  it('take places in the queue while they are encoded', async () => {
    const first = post(server.url, { prompt: spaces, n: 20, max_tokens: 1 });
    await new Promise((resolve) => setTimeout(resolve, 50));
    const { status, body } = await post(server.url, { prompt: spaces, n: 20, max_tokens: 1 });
    expect([status, body.error.code]).toEqual([429, 'queue_full']);
    expect((await first).status).toBe(200);
  });
});
