import { SentencePieceTrainer } from '@cria/tokenizer';
import { describe, expect, it } from 'vitest';
import { resolveSampling, type SamplingOptions } from '../src/index.ts';

const trainer = new SentencePieceTrainer({ vocabSize: 330 });
trainer.add(
  'He said: "no", and then: "yes"; a*b*c, x::y. They said "no" :: and then "no" again: so it was.\n',
);
trainer.add('the llama looks at the other llamas and the other llamas look at the llama: "all of them"\n');
const tokenizer = trainer.finish();

/** Every id, and every id with the ids of what is missing, found by looking at each. */
function plainly(text: string): string[] {
  const wanted = Buffer.from(text);
  const found: number[][] = [];
  for (let id = 0; id < tokenizer.vocabSize; id++) {
    const bytes = Buffer.from(tokenizer.tokenBytes(id));
    if (bytes.includes(wanted)) found.push([id]);
    else
      for (let length = 1; length < wanted.length; length++)
        if (bytes.length >= length && bytes.subarray(-length).equals(wanted.subarray(0, length)))
          found.push([id, ...tokenizer.encode(wanted.subarray(length).toString())]);
  }
  return found.map((ids) => ids.join(' ')).sort();
}

const breakers = (drySequenceBreakers?: SamplingOptions['drySequenceBreakers']) =>
  resolveSampling(
    'test',
    { dryMultiplier: 1, ...(drySequenceBreakers && { drySequenceBreakers }) },
    { tokenizer },
  ).drySequenceBreakers;

describe('sequence breakers', () => {
  it.each(['\n', ':', '"', '*', '::', '": ', 'said: "', 'é', 'll'])(
    'of %j are all ways to spell it',
    (text) => {
      const found = breakers([text]).map((ids) => ids.join(' '));
      expect(found.sort()).toEqual(plainly(text));
      expect(found.length).toBeGreaterThan(0);
    },
  );

  it('are llama.cpp’s where none are given, and lists of ids as they are', () => {
    expect(breakers()).toEqual(breakers(['\n', ':', '"', '*']));
    expect(breakers([[5, 6], [7]])).toEqual([[5, 6], [7]]);
  });

  it.each([
    [[''], 'drySequenceBreakers is ""'],
    [[[]], 'drySequenceBreakers is []'],
    [[[-1]], 'drySequenceBreakers is [-1]'],
    [['x'.repeat(65)], 'of 64 characters together'],
    [['x'.repeat(33), 'y'.repeat(33)], 'of 64 characters together'],
    [Array(33).fill('x'), 'a list of up to 32 texts'],
    [3, 'drySequenceBreakers is 3'],
  ])('%j are refused', (given, message) => {
    expect(() => breakers(given as never)).toThrow(message);
  });

  it('need a tokenizer where they are texts', () => {
    expect(() => resolveSampling('test', { dryMultiplier: 1, drySequenceBreakers: ['a'] })).toThrow(
      'hint: without a tokenizer, give lists of ids',
    );
  });
});
