import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SentencePieceTrainer, type Tokenizer } from '@cria/tokenizer';
import { loadTokenizer } from '@cria/tokenizer/node';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { byteTokenizer } from '../../../scripts/support/byte-tokenizer.ts';
import { fewestTokens } from '../src/text/fewest-tokens.ts';
import { collect, encodePrompt, Engine, stopLimits } from '../src/index.ts';
import { PromptReader } from '../src/text/prompt.ts';
import { tinyModel } from './tiny-model.ts';

const folder = fileURLToPath(new URL('../../../../shared/data/tokenizer/', import.meta.url));
if (!existsSync(folder))
  console.warn('skipped the vocabularies of ../shared/data/tokenizer: they are not here');

async function vocabularies(): Promise<Record<string, Tokenizer>> {
  const trainer = new SentencePieceTrainer({ vocabSize: 50, byteFallback: false });
  trainer.add('the llama looks at the other llamas and the other llamas look at the llama');
  const found: Record<string, Tokenizer> = { bytes: byteTokenizer, 'no bytes': trainer.finish() };
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    if (/\.(model|gguf|json)$/.test(name)) found[name] = await loadTokenizer(join(folder, name));
  }
  return found;
}

/** Texts that normalisation shrinks, that are unknown, and that are one long token. */
const pieces = fc.oneof(
  fc.constantFrom(
    'the',
    ' llama',
    'aaaaaaaaaaaaaaaa',
    '        ',
    '\n\n',
    '================',
    'e\u0301',
    '한',
  ),
  fc.constantFrom('ᄒ\u1161\u11ab', 'ｶ\uff9e', '你好', '😀', 'ﬁ', '𝐀', '\u00ad', '\u200b', '<s>', '<unk>'),
  fc.string({ unit: 'binary', maxLength: 5 }),
);
const texts = fc
  .array(fc.tuple(pieces, fc.integer({ min: 1, max: 9 })), { maxLength: 12 })
  .map((list) => list.map(([piece, times]) => piece.repeat(times)).join(''));

describe.each(Object.entries(await vocabularies()))('fewest tokens of a text, by %s', (_, tokenizer) => {
  it('are never more than it has', () => {
    const fewest = fewestTokens(tokenizer);
    fc.assert(
      fc.property(texts, (text) => {
        expect(fewest(text)).toBeLessThanOrEqual(tokenizer.encode(text).length);
      }),
      { numRuns: 500 },
    );
  });

  it('are a good part of those of English', () => {
    const fewest = fewestTokens(tokenizer);
    const english = 'the other llamas look at the llama, and so on. '.repeat(1000);
    const counted = fewest(english);
    expect(counted).toBeGreaterThan(tokenizer.encode(english).length / 100);
  });
});

describe('a prompt that cannot fit', () => {
  const model = tinyModel();
  const never = {
    ...byteTokenizer,
    encode: (text: string, options?: object) => {
      if (text.length > 1) throw new Error('encoded');
      return byteTokenizer.encode(text, options);
    },
  };

  it('is refused before it is encoded where it is long, as a context that is too short', async () => {
    const engine = new Engine({ model, tokenizer: never });
    const long = 'x'.repeat(2_000_000);
    const refusal = expect.objectContaining({
      code: 'context_length_exceeded',
      param: 'prompt',
      message: expect.stringContaining('tokens or more, the context 64.'),
    });
    expect(() => engine.generate({ prompt: long })).toThrow(refusal);
    expect(() => engine.checkLength(long)).toThrow(refusal);
    expect(() => engine.checkLength('short')).not.toThrow();
    // What a normalisation could take away is encoded.
    expect(() => engine.generate({ prompt: ' '.repeat(20_000) })).toThrow('encoded');
    await engine.close();
  });

  it('is refused with its number of tokens where it was encoded elsewhere', async () => {
    const engine = new Engine({ model, tokenizer: never });
    const text = 'x'.repeat(70);
    const prompt = { text, ids: encodePrompt(byteTokenizer, text) };
    expect(() => engine.generate({ prompt })).toThrow('the prompt has 71 tokens, the context 64.');
    await engine.close();
  });
});

it('a text with its ids is the text', async () => {
  const model = tinyModel();
  const engine = new Engine({ model, tokenizer: byteTokenizer });
  const options = { temperature: 0, maxTokens: 5, echo: true } as const;
  const ids = encodePrompt(byteTokenizer, 'ab');
  expect(await collect(engine.generate({ prompt: { text: 'ab', ids }, ...options }))).toEqual(
    await collect(engine.generate({ prompt: 'ab', ...options })),
  );
  for (const wrong of [[], [258], [-1], [0.5]])
    expect(() => engine.generate({ prompt: { text: 'ab', ids: wrong } })).toThrow('prompt is');
  await engine.close();
});

it('stop strings are few and short, and a wrong value is shown in part', () => {
  const engine = new Engine({ model: tinyModel(), tokenizer: byteTokenizer });
  const ask = (stop: string | string[]) => () => engine.generate({ prompt: 'x', maxTokens: 0, stop });
  const { strings, length } = stopLimits;
  expect(ask('x'.repeat(length))).not.toThrow();
  expect(ask(Array.from({ length: strings }, () => 'x'.repeat(length / strings)))).not.toThrow();
  expect(ask('x'.repeat(length + 1))).toThrow(
    'stop has 1 strings of 4097 characters together. hint: give up to 32',
  );
  expect(ask(Array.from({ length: strings + 1 }, () => 'x'))).toThrow('stop has 33 strings of 33 characters');
  expect(ask('\ud800' + 'x'.repeat(1e6))).toThrow(/^.{50,250}$/u);
});

it('an empty text is BOS alone, of a vocabulary that puts none before others, too', () => {
  const shy = { ...byteTokenizer, addsBos: false };
  expect([...encodePrompt(shy, '')]).toEqual([256]);
  expect([...encodePrompt(shy, 'a')]).toEqual([97]);
  expect([...encodePrompt({ ...shy, bosId: undefined } as unknown as Tokenizer, '')]).toEqual([]);
});

it('reads a wrong prompt as such', () => {
  const reader = new PromptReader(byteTokenizer);
  for (const wrong of [7, null, undefined, {}, { ids: [1] }, []])
    expect(() => reader.read('op', wrong as unknown as string, 10)).toThrow('prompt is');
});
