import { afterAll, describe, expect, it } from 'vitest';
import { collect, Engine, type EngineOptions, type RequestErrorCode } from '../src/index.ts';
import { byteTokenizer } from '../../../scripts/support/byte-tokenizer.ts';
import { tinyModel } from './tiny-model.ts';

const model = tinyModel();
afterAll(() => model.device[Symbol.dispose]());
const newEngine = (options: Partial<EngineOptions>) =>
  new Engine({ model, tokenizer: byteTokenizer, maxSequences: 1, ...options });
const long = { prompt: 'a', temperature: 0, maxTokens: 30, ignoreEos: true } as const;
const code = (wanted: RequestErrorCode) => expect.objectContaining({ code: wanted });

describe('a full queue', () => {
  it('of requests says how many run and wait', async () => {
    await using engine = newEngine({ maxWaiting: 1 });
    const taken = [collect(engine.generate(long)), collect(engine.generate(long))];
    expect(() => engine.generate(long)).toThrow(
      '2 requests are running or waiting, and 1 more are too many: 1 run and 1 wait. hint: try again later',
    );
    await Promise.all(taken);
  });

  it('of tokens says how many wait, and takes any request where none waits', async () => {
    await using engine = newEngine({ maxWaitingTokens: 20 });
    const running = collect(engine.generate({ ...long, prompt: 'x'.repeat(30) }));
    while (engine.stats.running === 0) await new Promise((resolve) => setImmediate(resolve));
    // Of 31 tokens, BOS among them: more than may wait, but nobody else does.
    const waiting = collect(engine.generate({ ...long, prompt: 'y'.repeat(30) }));
    expect(() => engine.generate({ ...long, prompt: 'zz' })).toThrow(
      '31 tokens are waiting, and 3 more are too many: 20 may wait. hint: try again later',
    );
    expect(engine.stats).toMatchObject({ waiting: 1, waitingTokens: 31 });
    await Promise.all([running, waiting]);
  });
});

describe('time to wait', () => {
  it('ends a request that was not started, with its figures, and no other', async () => {
    let now = 0;
    await using engine = newEngine({ queueSeconds: 5, clock: () => now });
    const running = collect(engine.generate(long));
    const late = collect(engine.generate({ ...long, waitSeconds: 2 }));
    const patient = collect(engine.generate({ ...long, waitSeconds: 100 }));
    const standard = collect(engine.generate(long));
    const lost = Promise.allSettled([late, standard]);
    while (engine.stats.steps < 3) await new Promise((resolve) => setImmediate(resolve));
    now = 3;
    await expect(late).rejects.toThrow(
      'its time to wait was over 1.0 s ago, before there was a place: 1 are',
    );
    await expect(late).rejects.toEqual(code('expired'));
    now = 6;
    await expect(standard).rejects.toEqual(code('expired'));
    await lost;
    expect((await running).ids.length).toBe(30);
    expect((await patient).ids.length).toBe(30);
  });

  it.each([
    [{ waitSeconds: -1 }, 'waitSeconds is -1'],
    [{ waitSeconds: NaN }, 'waitSeconds is NaN'],
    [{ priority: 0.5 }, 'priority is 0.5'],
    [{ priority: 101 }, 'priority is 101'],
    [{ share: 7 }, 'share is 7'],
    [{ cacheSalt: {} }, 'cacheSalt is {}'],
  ])('and standing of %j are refused', async (fields, message) => {
    await using engine = newEngine({});
    expect(() => engine.generate({ ...long, ...(fields as object) })).toThrow(message);
  });
});
