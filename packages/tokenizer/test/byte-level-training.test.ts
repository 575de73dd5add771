import { describe, expect, it } from 'vitest';
import {
  ByteLevelTrainer,
  GPT2_PATTERN,
  LLAMA3_PATTERN,
  readTiktoken,
  serializeTokenizer,
  type ByteLevelTokenizer,
  type ByteLevelTrainerOptions,
} from '../src/index.ts';
import { trainByteLevel } from '../src/node.ts';
import { GPT2_CHUNKS, LLAMA3_CHUNKS } from './definitions.ts';
import { haveShared, sharedText } from './files.ts';

/**
 * The definition, word for word and without any bookkeeping: count all neighbours anew, merge the
 * most frequent (of equals the one with the lower ids), again. Chunks come from the pattern as a
 * JavaScript expression.
 */
function naive(
  texts: readonly string[],
  merges: number,
  pattern: RegExp,
  steps = { duplicates: 0 },
): string[] {
  const printable = (byte: number): boolean =>
    (byte > 32 && byte < 127) || (byte > 160 && byte < 256 && byte !== 173);
  const all = Array.from({ length: 256 }, (_, byte) => byte);
  const tokens = [...all.filter(printable), ...all.filter((byte) => !printable(byte))].map((byte) =>
    Buffer.of(byte).toString('hex'),
  );
  const words = new Map<string, number>();
  for (const text of texts)
    for (const [chunk] of text.matchAll(pattern)) words.set(chunk, (words.get(chunk) ?? 0) + 1);
  const rows = [...words].map(([word, count]) => ({
    ids: Array.from(Buffer.from(word), (byte) => tokens.indexOf(Buffer.of(byte).toString('hex'))),
    count,
  }));
  while (tokens.length < 256 + merges) {
    const counts = new Map<number, number>();
    for (const { ids, count } of rows)
      for (let i = 0; i + 1 < ids.length; i++) {
        const pair = ids[i] * 65536 + ids[i + 1];
        counts.set(pair, (counts.get(pair) ?? 0) + count);
      }
    const [best] = [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0])[0] ?? [-1];
    if (best < 0) break;
    const [left, right] = [Math.floor(best / 65536), best % 65536];
    const name = tokens[left] + tokens[right];
    let id = tokens.indexOf(name);
    if (id < 0) id = tokens.push(name) - 1;
    else steps.duplicates++;
    for (const row of rows) {
      const merged: number[] = [];
      for (let i = 0; i < row.ids.length; i++) {
        if (row.ids[i] === left && row.ids[i + 1] === right) {
          merged.push(id);
          i++;
        } else merged.push(row.ids[i]);
      }
      row.ids = merged;
    }
  }
  return tokens;
}

function train(texts: readonly string[], options: ByteLevelTrainerOptions): ByteLevelTokenizer {
  const trainer = new ByteLevelTrainer(options);
  for (const text of texts) trainer.add(text);
  return trainer.finish();
}

function names(tokenizer: ByteLevelTokenizer, count: number): string[] {
  return Array.from({ length: count }, (_, id) => Buffer.from(tokenizer.tokenBytes(id)).toString('hex'));
}

/**
 * Words of a few letters that repeat, so that counts tie, tokens are made in two ways and runs
 * overlap.
 */
function noise(seed: number): string {
  let state = seed;
  const next = (n: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
  const letters = ['a', 'a', 'a', 'b', 'ab', ' ', ' ', '  ', '\n', '1', 'é', '語', '.', "'s"];
  return Array.from({ length: 700 }, () => letters[next(letters.length)]).join('');
}

describe('byte-level training', () => {
  it.each([
    ['Llama 3', LLAMA3_PATTERN, LLAMA3_CHUNKS],
    ['GPT-2', GPT2_PATTERN, GPT2_CHUNKS],
    ['any', '\\S+|\\s', /\P{White_Space}+|\p{White_Space}/gu],
  ])('makes the tokens of the definition behind the %s pattern', (_, pattern, expression) => {
    for (let seed = 1; seed <= 25; seed++) {
      const texts = [noise(seed), noise(seed + 100)];
      const expected = naive(texts, 60, expression);
      const got = train(texts, { vocabSize: expected.length + 1, specialTokens: ['<|end|>'], pattern });
      expect(names(got, expected.length), `seed ${seed}`).toEqual(expected);
    }
  });

  it('never makes a token twice, not in runs either', () => {
    let duplicates = 0;
    for (let seed = 1; seed <= 12; seed++) {
      const text = Array.from(noise(seed), (character) => (character < 'b' ? 'a' : 'b')).join('');
      const texts = [text.replace(/(.{23})/g, '$1 '), 'a'.repeat(97), 'ab'.repeat(90)];
      const steps = { duplicates: 0 };
      const expected = naive(texts, 150, LLAMA3_CHUNKS, steps);
      duplicates += steps.duplicates;
      const got = train(texts, { vocabSize: expected.length, specialTokens: [] });
      expect(names(got, expected.length), `seed ${seed}`).toEqual(expected);
    }
    expect(duplicates).toBe(0);
  });

  it.skipIf(!haveShared('data/text/botchan.txt'))('makes them on a real text', () => {
    const text = sharedText('data/text/botchan.txt').slice(0, 60_000);
    const tokenizer = train([text], { vocabSize: 456, specialTokens: [] });
    expect(names(tokenizer, 456)).toEqual(naive([text], 200, LLAMA3_CHUNKS));
    expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
  });

  it('gives the same vocabulary at any number of threads', async () => {
    const text = `${noise(7).repeat(500)}\n\n \nthe end`;
    const options = { vocabSize: 400, specialTokens: ['<|begin_of_text|>', '<|end_of_text|>'] };
    const one = await trainByteLevel([text, noise(8)], options);
    for (const threads of [2, 3]) {
      const more = await trainByteLevel([text, noise(8)], { ...options, threads });
      expect(more.fingerprint).toBe(one.fingerprint);
    }
    expect([one.bosId, one.eosId]).toEqual([398, 399]);
  });

  it('writes a tiktoken file that reads back', () => {
    const tokenizer = train([noise(3)], { vocabSize: 600 });
    const file = serializeTokenizer(tokenizer, 'tiktoken').get('tokenizer.model') ?? new Uint8Array();
    expect(readTiktoken(file).fingerprint).toBe(tokenizer.fingerprint);
    expect(tokenizer.pieceToId('<|begin_of_text|>')).toBe(344);
  });

  it('refuses what cannot be', () => {
    expect(() => train(['ab'], { vocabSize: 300, specialTokens: [] })).toThrow(
      'yields only 257 tokens, not 300',
    );
    expect(() => train(['ab'], { vocabSize: 500 })).toThrow('at least 512');
    expect(() => train([], { vocabSizes: 1 } as ByteLevelTrainerOptions)).toThrow("did you mean 'vocabSize'");
    expect(() => train(['a'], { specialTokens: ['x', 'x'] })).toThrow('given twice');
  });

  it('tells how far it is and how long it takes', async () => {
    let time = 0;
    const told: [string, number | undefined, number | undefined][] = [];
    await trainByteLevel([noise(1).repeat(1500), noise(2).repeat(1500)], {
      vocabSize: 300,
      specialTokens: [],
      expectedLength: 3_500_000,
      now: () => time++,
      onProgress: ({ phase, total, secondsLeft }) => told.push([phase, total, secondsLeft]),
    });
    expect(told[0]?.[0]).toBe('reading');
    expect(told[0]?.[1]).toBe(3_500_000);
    expect(told[0]?.[2]).toBeGreaterThan(0);
    expect(told.at(-1)).toEqual(['merging', 44, 0]);
  });
});
