import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CompletionReader } from '../src/compat/log-probabilities.ts';
import type { RunningServer } from '../src/index.ts';
import { post, postTo, streamEvents, tinyServer } from './tiny-server.ts';

let server: RunningServer;
beforeAll(async () => void (server = await tinyServer({ untilClosed: true })));
afterAll(() => server.close());
const complete = async (body: object) => (await post(server.url, body)).body.choices;

interface LogProbabilities {
  readonly tokens: string[];
  readonly token_logprobs: (number | null)[];
  readonly top_logprobs: (Record<string, number> | null)[];
  readonly text_offset: number[];
}
const largest = (top: Record<string, number> | null | undefined) => Math.max(...Object.values(top ?? {}));
/** Lower-case letters, so that tokens are whole characters and a text has the ids that made it. */
const letters = Array.from({ length: 26 }, (_, i) => 97 + i);
const chosen = { allowed_token_ids: letters, temperature: 0 };

describe('log-probabilities of completions', () => {
  it('are those of the same tokens read as a prompt, bit for bit, which is how tasks are scored', async () => {
    const [made] = await complete({ prompt: 'Hello', max_tokens: 12, logprobs: 3, ...chosen });
    const { tokens, token_logprobs: values, top_logprobs: top }: LogProbabilities = made.logprobs;
    expect(tokens.join('')).toBe(made.text);
    expect(tokens).toHaveLength(12);
    const echo = { prompt: `Hello${made.text}`, echo: true, max_tokens: 1, logprobs: 3, temperature: 0 };
    const [read] = await complete(echo);
    const again: LogProbabilities = read.logprobs;
    // The beginning-of-text token, five letters, twelve, and the one that was made.
    expect(again.tokens).toHaveLength(19);
    expect(again.tokens.slice(1, 18).join('')).toBe(`Hello${made.text}`);
    expect([again.token_logprobs[0], again.top_logprobs[0]]).toEqual([null, null]);
    expect(again.token_logprobs.slice(6, 18)).toEqual(values);
    expect(again.top_logprobs.slice(6, 18)).toEqual(top);
    // Greedy without a mask: what was made is the likeliest.
    expect(again.token_logprobs[18]).toBe(largest(again.top_logprobs[18]));
    expect(again.text_offset.slice(1, 18)).toEqual(Array.from({ length: 17 }, (_, i) => i));
  });

  it('are the logarithms of probabilities: twenty of many tokens sum to less than one', async () => {
    const [made] = await complete({ prompt: 'sum', max_tokens: 4, logprobs: 20, temperature: 0 });
    const { token_logprobs: values, top_logprobs: top }: LogProbabilities = made.logprobs;
    for (const [i, value] of values.entries()) {
      const some = Object.values(top[i] ?? {});
      expect(some.length).toBeGreaterThanOrEqual(20);
      expect(some.reduce((sum, each) => sum + Math.exp(each), 0)).toBeLessThan(1);
      expect(value).toBe(largest(top[i]));
    }
  });

  it('cut characters are told in bytes, and places count the text', async () => {
    const snowman = [226, 152, 131];
    const body = { prompt: [256, 65, ...snowman, 66], echo: true, max_tokens: 0, logprobs: 0 };
    const [made] = await complete(body);
    expect(made.text).toBe('A\u2603B');
    expect(made.logprobs.tokens).toEqual(['', 'A', 'bytes:\\xe2', 'bytes:\\x98', 'bytes:\\x83', 'B']);
    expect(made.logprobs.text_offset).toEqual([0, 0, 1, 1, 1, 2]);
    expect(made.logprobs.top_logprobs.slice(1).map((top: object) => Object.keys(top).length)).toEqual([
      1, 1, 1, 1, 1,
    ]);
  });

  it('of tokens with one text the likeliest is told, and the chosen one under its own number', async () => {
    const desk = { do: ({ ids }: { ids: number[] }) => Promise.resolve(ids.map(() => Uint8Array.of(120))) };
    const reader = new CompletionReader(desk as never);
    const top = [
      { id: 5, logProbability: -0.5 },
      { id: 6, logProbability: -2 },
    ];
    const told = await reader.read({ logProbabilities: [{ id: 6, logProbability: -2, rank: 1, top }] });
    expect(told).toMatchObject({ tokens: ['x'], token_logprobs: [-2], top_logprobs: [{ x: -0.5 }] });
  });

  it('streamed, they are the same lists in parts', async () => {
    const request = { prompt: 'parts', max_tokens: 9, logprobs: 2, n: 2, seed: 5, echo: true };
    const whole = await complete(request);
    const response = await fetch(`${server.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...request, stream: true }),
    });
    const parts: LogProbabilities[] = [0, 1].map(() => ({
      tokens: [],
      token_logprobs: [],
      top_logprobs: [],
      text_offset: [],
    }));
    for await (const event of streamEvents(response)) {
      if (event === '[DONE]') continue;
      for (const { index, logprobs } of JSON.parse(event).choices) {
        const all = parts[index] as LogProbabilities;
        for (const name of ['tokens', 'token_logprobs', 'top_logprobs', 'text_offset'] as const)
          (all[name] as unknown[]).push(...(logprobs?.[name] ?? []));
      }
    }
    expect(parts).toEqual(whole.map((choice: { logprobs: LogProbabilities }) => choice.logprobs));
  });
});

describe('log-probabilities of chats', () => {
  const messages = [{ role: 'user' as const, content: 'hello' }];

  it('come to the client of OpenAI, whole and streamed alike', async () => {
    const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 });
    const request = { model: 'tiny', messages, max_tokens: 8, logprobs: true, top_logprobs: 2, ...chosen };
    const whole = await client.chat.completions.create(request);
    const { message, logprobs } = whole.choices[0]!;
    const content = logprobs?.content ?? [];
    expect(content.map(({ token }) => token).join('')).toBe(message.content);
    expect(content.map(({ bytes }) => String.fromCharCode(...(bytes ?? []))).join('')).toBe(message.content);
    expect(content.every(({ top_logprobs: top }) => top.length === 2)).toBe(true);
    const streamed: unknown[] = [];
    for await (const chunk of await client.chat.completions.create({ ...request, stream: true }))
      streamed.push(...(chunk.choices[0]?.logprobs?.content ?? []));
    expect(streamed).toEqual(content);
  });

  it('need logprobs: true', async () => {
    const answer = await postTo(`${server.url}/v1/chat/completions`, { messages, top_logprobs: 2 });
    expect(answer.status).toBe(400);
    expect(answer.body.error).toMatchObject({
      param: 'top_logprobs',
      message: expect.stringContaining('is not true'),
    });
  });
});
