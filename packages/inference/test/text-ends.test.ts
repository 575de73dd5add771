import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { collect, Engine, generate, type GenerationRequest, TextAssembler } from '../src/index.ts';
import { byteTokenizer } from '../../../scripts/support/byte-tokenizer.ts';
import { tinyModel } from './tiny-model.ts';

const model = tinyModel();
afterAll(() => model.device[Symbol.dispose]());

/** The text before the stop string that ends first; of those that end together, before the longest. */
function cutAt(text: string, stops: readonly string[]): string {
  for (let end = 1; end <= text.length; end++) {
    const here = stops.filter((stop) => text.slice(0, end).endsWith(stop));
    if (here.length > 0) return text.slice(0, end - Math.max(...here.map((stop) => stop.length)));
  }
  return text;
}

/** Every reason for which a text ends, by a request that does. */
const endings: Record<string, GenerationRequest> = {
  length: { prompt: 'The lama', temperature: 0, maxTokens: 25, ignoreEos: true },
  context: { prompt: 'a long prompt', temperature: 1.2, seed: 5, ignoreEos: true },
  'end of text': { prompt: 'x', temperature: 0, maxTokens: 40 },
};

describe('what was held back is given out where the text ends', async () => {
  const [eosId] = (
    await generate(model, byteTokenizer, 'x', { temperature: 0, maxTokens: 12, ignoreEos: true })
  ).ids.slice(9);
  const engine = new Engine({ model, tokenizer: byteTokenizer, eosIds: [eosId!] });
  afterAll(() => engine.close());

  it.each(Object.entries(endings))('at %s', async (_, request) => {
    const whole = await collect(engine.generate(request));
    expect(whole.text.length).toBeGreaterThan(5);
    for (let kept = 1; kept <= 6; kept++) {
      const stop = `${whole.text.slice(-kept)}ZZZ`;
      expect(await collect(engine.generate({ ...request, stop }))).toEqual(whole);
    }
  });

  it('as an error, and then the error, at a cancellation', async () => {
    const request = { ...endings['length']!, temperature: 1.3, seed: 3 };
    const { text } = await collect(engine.generate(request));
    const last = [...text].at(-1)!;
    for (const limit of [8, 16]) {
      const controller = new AbortController();
      let steps = 0;
      const stop = ['Q', `${last}ZZ`, `${text.slice(2, 6)}ZZ`, `${text.slice(0, 4)}ZZ`];
      const chunks = engine.generate({ ...request, stop, signal: controller.signal });
      const before = engine.stats.steps;
      while (engine.stats.steps < before + limit && steps++ < 1000)
        await new Promise((resolve) => setImmediate(resolve));
      controller.abort(new Error('enough'));
      let got = '';
      const ids: number[] = [];
      const reading = (async () => {
        for await (const chunk of chunks) {
          got += chunk.text;
          ids.push(...chunk.ids);
        }
      })();
      await expect(reading).rejects.toThrow('enough');
      expect(ids.length).toBeGreaterThan(3);
      expect(got).toBe(byteTokenizer.decode(ids));
    }
  });

  it('so that stop strings which do not occur change nothing, and others leave a beginning', async () => {
    const units = [...new Set((await collect(engine.generate(endings['length']!))).text), 'e', ' ', '\ufffd'];
    const stops = fc.array(fc.string({ unit: fc.constantFrom(...units), minLength: 1, maxLength: 4 }), {
      minLength: 1,
      maxLength: 6,
    });
    const request = fc.record({
      prompt: fc.constantFrom('', 'a', 'The lama', 'x'),
      temperature: fc.constantFrom(0, 0.8, 1.5),
      seed: fc.nat(50),
      stream: fc.nat(2),
      maxTokens: fc.integer({ min: 1, max: 14 }),
      ignoreEos: fc.boolean(),
      echo: fc.boolean(),
    });
    let unchanged = 0;
    await fc.assert(
      fc.asyncProperty(request, stops, fc.boolean(), async (options, stop, own) => {
        const whole = await collect(engine.generate(options));
        const generated = options.echo ? whole.text.slice(options.prompt.length) : whole.text;
        // Half of the time one of the strings begins with the end of the text.
        const list = own ? [...stop, `${generated.slice(-3)}Z`] : stop;
        const pieces: string[] = [];
        const cut = await collect(engine.generate({ ...options, stop: list }), (text) => pieces.push(text));
        const echoed = options.echo ? options.prompt : '';
        expect(cut.text).toBe(echoed + cutAt(generated, list));
        expect(pieces.join('')).toBe(cut.text);
        if (list.some((each) => generated.includes(each))) expect(cut.finishReason).toBe('stop');
        else {
          unchanged++;
          expect(cut).toEqual(whole);
        }
      }),
      { numRuns: 150 },
    );
    expect(unchanged).toBeGreaterThan(20);
  });
});

describe('TextAssembler', () => {
  const assemble = (ids: readonly number[], stop: readonly string[]) => {
    const assembler = new TextAssembler(byteTokenizer, [], stop);
    const pieces = ids.map((id) => assembler.push(id).text);
    return { pieces, last: assembler.end() };
  };

  it('ends with what may have been a stop string, and with half a character', () => {
    const ids = [...'abxy'].map((each) => each.codePointAt(0)!);
    expect(assemble(ids, ['xyz'])).toEqual({
      pieces: ['a', 'b', '', ''],
      last: { text: 'xy', stopped: false },
    });
    expect(assemble([97, 0xf0, 0x9f], ['ab'])).toEqual({
      pieces: ['', '', ''],
      last: { text: 'a\ufffd', stopped: false },
    });
  });

  it('ends before a stop string that the last half character completes', () => {
    expect(assemble([97, 98, 0xf0], ['b\ufffd']).last).toEqual({ text: '', stopped: true });
  });
});
