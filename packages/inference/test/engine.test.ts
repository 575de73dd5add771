import { afterAll, describe, expect, it } from 'vitest';
import { collect, Engine, generate, type GenerationRequest } from '../src/index.ts';
import { byteTokenizer } from '../../../scripts/support/byte-tokenizer.ts';
import { run, tinyModel } from './tiny-model.ts';

const model = tinyModel();
afterAll(() => model.device[Symbol.dispose]());
const newEngine = (options = {}) => new Engine({ model, tokenizer: byteTokenizer, ...options });

const requests: Record<string, GenerationRequest> = {
  greedy: { prompt: 'The lama', temperature: 0, maxTokens: 40, ignoreEos: true },
  empty: { prompt: '', temperature: 0.9, seed: 1, maxTokens: 30, ignoreEos: true },
  long: { prompt: 'a rather long prompt that spans three blocks..', seed: 2, topK: 20, ignoreEos: true },
  filtered: {
    prompt: 'mid',
    seed: 3,
    temperature: 0.7,
    topP: 0.8,
    minP: 0.02,
    maxTokens: 33,
    ignoreEos: true,
  },
  penalized: {
    prompt: 'aaaa',
    seed: 4,
    repetitionPenalty: 1.2,
    frequencyPenalty: 0.5,
    maxTokens: 25,
    ignoreEos: true,
  },
  again: {
    prompt: 'mid',
    seed: 3,
    stream: 1,
    temperature: 0.7,
    topP: 0.8,
    minP: 0.02,
    maxTokens: 33,
    ignoreEos: true,
  },
};

describe('a text depends on its request alone', async () => {
  const alone = Object.fromEntries(
    await Promise.all(
      Object.entries(requests).map(
        async ([name, { prompt, ...rest }]) =>
          [name, await generate(model, byteTokenizer, prompt, rest)] as const,
      ),
    ),
  );

  it('is generated to the limit it was given', () => {
    expect(alone['greedy']).toMatchObject({
      finishReason: 'length',
      usage: { promptTokens: 9, completionTokens: 40 },
    });
    expect(alone['long']!.usage).toMatchObject({ promptTokens: 47, completionTokens: 17 });
    expect(alone['filtered']!.ids).not.toEqual(alone['again']!.ids);
    expect(new Set(Object.values(alone).map(({ text }) => text)).size).toBe(6);
  });

  it('in a batch', async () => {
    const { texts, engine } = await run(model, requests);
    expect(texts).toEqual(alone);
    expect(engine.stats.steps).toBeLessThan(45);
  });

  it.each([1, 7, 64])('with prompts in chunks of %i', async (prefillChunk) => {
    expect((await run(model, requests, { prefillChunk })).texts).toEqual(alone);
  });

  it('with a token budget of one row, and with one sequence at a time', async () => {
    expect((await run(model, requests, { maxBatchRows: 1 })).texts).toEqual(alone);
    expect((await run(model, requests, { maxSequences: 1 })).texts).toEqual(alone);
  });

  it('under preemption', async () => {
    const { texts, engine } = await run(model, requests, { blocks: 16, blockSize: 4 });
    expect(texts).toEqual(alone);
    expect(engine.stats.preemptions).toBeGreaterThan(2);
  });

  it('while others come, go and are cancelled', async () => {
    const engine = newEngine({ maxSequences: 3 });
    const names = Object.keys(requests);
    const texts = await Promise.all(
      names.map(async (name, i) => {
        for await (const _ of engine.generate({
          ...requests[names[(i + 1) % 6]!]!,
          maxTokens: 20,
          ignoreEos: true,
        }))
          if (i % 2) break;
        return [name, await collect(engine.generate(requests[name]!))] as const;
      }),
    );
    const cached = texts.map(([, { usage }]) => usage.cachedTokens);
    expect(Math.max(...cached)).toBe(32);
    for (const [name, { text, ids }] of texts)
      expect([text, ids]).toEqual([alone[name]!.text, alone[name]!.ids]);
    expect(engine.stats).toMatchObject({ running: 0, waiting: 0, freeBlocks: engine.stats.blocks });
    await engine.close();
  });
});

describe('ends', () => {
  it('cuts at a stop string that spans tokens, and sends nothing of it', async () => {
    const whole = await generate(model, byteTokenizer, 'The lama', {
      temperature: 0,
      maxTokens: 40,
      ignoreEos: true,
    });
    const characters = [...whole.text];
    for (let at = 1; at + 3 < characters.length; at++) {
      const stop = characters.slice(at, at + 3).join('');
      const pieces: string[] = [];
      const options = {
        temperature: 0,
        maxTokens: 40,
        ignoreEos: true,
        stop: [stop, 'never'],
        onText: (text: string) => pieces.push(text),
      };
      const cut = await generate(model, byteTokenizer, 'The lama', options);
      expect(cut.text).toBe(whole.text.slice(0, whole.text.indexOf(stop)));
      expect(pieces.join('')).toBe(cut.text);
      // The last character of a broken sequence is certain only at the next byte or at the end.
      if (whole.text.indexOf(stop) + stop.length < whole.text.length) expect(cut.finishReason).toBe('stop');
    }
  });

  it('streams whole characters', async () => {
    const engine = newEngine();
    let text = '';
    for await (const chunk of engine.generate(requests['empty']!)) {
      expect(chunk.text).not.toMatch(/\p{Surrogate}/u);
      text += chunk.text;
    }
    const ids = (await collect(engine.generate(requests['empty']!))).ids;
    expect(text).toBe(byteTokenizer.decode(ids));
    await engine.close();
  });

  it('at an end-of-text id, which has no text; not with ignoreEos', async () => {
    const { ids } = await generate(model, byteTokenizer, 'x', {
      temperature: 0,
      maxTokens: 10,
      ignoreEos: true,
    });
    const at = ids.findIndex((id, i) => i > 2 && ids.indexOf(id) === i);
    const engine = newEngine({ eosIds: [ids[at]] });
    const cut = await collect(engine.generate({ prompt: 'x', temperature: 0, maxTokens: 10 }));
    expect(cut).toMatchObject({
      ids: ids.slice(0, at + 1),
      finishReason: 'stop',
      text: byteTokenizer.decode(ids.slice(0, at)),
    });
    expect(
      (await collect(engine.generate({ prompt: 'x', temperature: 0, maxTokens: 10, ignoreEos: true }))).ids,
    ).toEqual(ids);
    await engine.close();
  });

  it('echoes the prompt, and takes ids as they are', async () => {
    const plain = await generate(model, byteTokenizer, 'ab', { temperature: 0, maxTokens: 3 });
    const echoed = await generate(model, byteTokenizer, [256, 97, 98], {
      temperature: 0,
      maxTokens: 3,
      echo: true,
    });
    expect(echoed).toEqual({ ...plain, text: `ab${plain.text}` });
    expect(await generate(model, byteTokenizer, 'ab', { maxTokens: 0, echo: true })).toEqual({
      text: 'ab',
      ids: [],
      finishReason: 'length',
      usage: { promptTokens: 3, completionTokens: 0, cachedTokens: 0 },
    });
  });
});

describe('refuses', () => {
  it.each<[Partial<Record<keyof GenerationRequest | 'temprature', unknown>>, string, string]>([
    [{ prompt: 'x'.repeat(63) }, 'context_length_exceeded', 'the prompt has 64 tokens, the context 64'],
    [{ prompt: 7 }, 'invalid_request', 'prompt is 7'],
    [{ prompt: [] }, 'invalid_request', 'prompt'],
    [{ prompt: [1, 258] }, 'invalid_request', 'prompt is 258'],
    [{ temperature: -1 }, 'invalid_request', 'temperature is -1'],
    [{ temperature: NaN }, 'invalid_request', 'temperature is NaN'],
    [{ topK: 1.5 }, 'invalid_request', 'topK is 1.5'],
    [{ topP: 1.1 }, 'invalid_request', 'topP is 1.1'],
    [{ minP: '0' }, 'invalid_request', 'minP is "0"'],
    [{ seed: -1 }, 'invalid_request', 'seed is -1'],
    [{ maxTokens: 2.5 }, 'invalid_request', 'maxTokens is 2.5'],
    [{ stop: [''] }, 'invalid_request', 'stop is ""'],
    [{ stop: '\ud83d' }, 'invalid_request', 'stop'],
    [{ echo: 1 }, 'invalid_request', 'echo is 1'],
    [{ temprature: 1 }, 'invalid_request', 'did you mean "temperature"'],
  ])('%j', async (fields, code, message) => {
    const engine = newEngine();
    const call = () => engine.generate({ prompt: 'x', ...fields } as GenerationRequest);
    expect(call).toThrow(message);
    expect(call).toThrow(expect.objectContaining({ code }));
    expect(engine.stats).toMatchObject({ running: 0, waiting: 0 });
    await engine.close();
  });

  it('more requests than may wait, and takes them again when there is room', async () => {
    const engine = newEngine({ maxSequences: 2, maxWaiting: 1 });
    const request = { prompt: 'x', maxTokens: 4 };
    const taken = [1, 2, 3].map(() => collect(engine.generate(request)));
    expect(() => engine.generate(request)).toThrow(expect.objectContaining({ code: 'queue_full' }));
    await Promise.all(taken);
    await collect(engine.generate(request));
    await engine.close();
    expect(() => engine.generate(request)).toThrow(expect.objectContaining({ code: 'engine_closed' }));
  });

  it('wrong engine options', () => {
    expect(() => newEngine({ maxSequence: 3 })).toThrow('did you mean "maxSequences"');
    expect(() => newEngine({ maxBatchRows: 0 })).toThrow('maxBatchRows is 0');
    expect(() => newEngine({ memory: 1000 })).toThrow('a cache of 0 blocks');
    expect(() => newEngine({ tokenizer: { ...byteTokenizer, vocabSize: 300 } })).toThrow(
      'has 300 ids, the model 260',
    );
  });
});

describe('cancels', () => {
  it('by signal, with its reason, and gives all blocks back', async () => {
    const engine = newEngine();
    const controller = new AbortController();
    const reading = collect(engine.generate({ prompt: 'x', signal: controller.signal }), () =>
      controller.abort(new Error('enough')),
    );
    await expect(reading).rejects.toThrow('enough');
    await expect(collect(engine.generate({ prompt: 'x', signal: controller.signal }))).rejects.toThrow(
      'enough',
    );
    expect(engine.stats).toMatchObject({ running: 0, waiting: 0, freeBlocks: engine.stats.blocks });
    await engine.close();
  });

  it('by close(), with an error for who still reads, and frees the cache', async () => {
    const before = model.device.memory.allocated;
    const engine = newEngine();
    expect(model.device.memory.allocated).toBeGreaterThan(before);
    const reading = expect(collect(engine.generate({ prompt: 'x' }))).rejects.toThrow(
      'the engine was closed',
    );
    await Promise.all([engine.close(), engine.close(), reading]);
    expect(model.device.memory.allocated).toBeLessThanOrEqual(before + 2 ** 21); // a step arena may have grown
  });

  it('a broken model ends every request with its error', async () => {
    const broken = tinyModel();
    broken.forward = () => {
      throw new Error('device lost');
    };
    const engine = new Engine({ model: broken, tokenizer: byteTokenizer });
    const texts = await Promise.allSettled(['a', 'b'].map((prompt) => collect(engine.generate({ prompt }))));
    expect(texts.map((each) => (each as PromiseRejectedResult).reason.message)).toEqual([
      'device lost',
      'device lost',
    ]);
    expect(() => engine.generate({ prompt: 'x' })).toThrow(
      expect.objectContaining({ code: 'engine_closed' }),
    );
    await engine.close();
  });
});

it('memory stays flat over many requests', async () => {
  const engine = newEngine({ maxSequences: 8 });
  const wave = (count: number) =>
    Promise.all(
      Array.from({ length: count }, (_, i) =>
        collect(engine.generate({ prompt: `p${i}`, seed: i, maxTokens: 3 })),
      ),
    );
  await wave(50);
  const before = { device: model.device.memory.allocated, stats: engine.stats };
  await wave(250);
  expect(model.device.memory.allocated).toBe(before.device);
  expect(engine.stats).toMatchObject({ running: 0, waiting: 0, freeBlocks: before.stats.blocks });
  await engine.close();
});
