import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { collect, Engine, NgramProposer } from '../src/index.ts';
import { byteTokenizer } from '../../../scripts/support/byte-tokenizer.ts';
import { tinyModel } from './tiny-model.ts';

describe('NgramProposer', () => {
  it('gives what followed the last ids, the longest of them that stood before, the last time (against search in strings)', () => {
    const letters = fc.array(fc.nat(2), { maxLength: 24 });
    fc.assert(
      fc.property(
        letters,
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 5 }),
        (ids, longest, most) => {
          const text = ids.join('');
          let expected = '';
          for (let n = Math.min(longest, text.length - 1); n >= Math.min(2, longest); n--) {
            const at = text.slice(0, -1).lastIndexOf(text.slice(-n));
            if (at < 0) continue;
            expected = text.slice(at + n, at + n + most);
            break;
          }
          const found = new NgramProposer(longest).propose(Int32Array.from(ids), most);
          expect([...found].join('')).toBe(expected);
        },
      ),
    );
  });
});

describe('speculation', () => {
  const model = tinyModel();
  afterAll(() => model.device[Symbol.dispose]());
  const request = { prompt: 'x', temperature: 0, maxTokens: 50, ignoreEos: true } as const;

  it('takes fewer passes for the same text, where the guesses are right', async () => {
    await using plain = new Engine({ model, tokenizer: byteTokenizer });
    const expected = await collect(plain.generate(request));
    const ids = [256, 120, ...expected.ids];
    // Knows what will come.
    const proposer = { propose: (so: Int32Array, most: number) => ids.slice(so.length, so.length + most) };
    await using engine = new Engine({ model, tokenizer: byteTokenizer, speculate: { tokens: 4, proposer } });
    expect(await collect(engine.generate(request))).toEqual(expected);
    expect(engine.stats).toMatchObject({ draftedTokens: 39, acceptedTokens: 39, steps: 11 });
    expect(plain.stats).toMatchObject({ draftedTokens: 0, acceptedTokens: 0, steps: 50 });
  });

  it('leaves no trace where they are wrong, and tries less then', async () => {
    await using plain = new Engine({ model, tokenizer: byteTokenizer });
    const expected = await collect(plain.generate(request));
    const proposer = { propose: (_: Int32Array, most: number) => new Int32Array(most).fill(257) };
    await using engine = new Engine({ model, tokenizer: byteTokenizer, speculate: { tokens: 8, proposer } });
    expect(await collect(engine.generate(request))).toEqual(expected);
    const { draftedTokens, acceptedTokens, steps } = engine.stats;
    expect(draftedTokens - acceptedTokens).toBeLessThan(64);
    expect(steps).toBe(50 - acceptedTokens);
  });

  it('refuses what cannot be', () => {
    const ask = (speculate: object) => () => new Engine({ model, tokenizer: byteTokenizer, speculate });
    expect(ask({ tokens: 0 })).toThrow('speculate.tokens is 0');
    expect(ask({ ngrams: 2 })).toThrow('did you mean "ngram"');
  });
});
