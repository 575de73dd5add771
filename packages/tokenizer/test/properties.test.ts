/** What must hold for every string: checked on random ones, with vocabularies of both kinds. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseTokenizer, type ByteLevelTokenizer, type SentencePieceTokenizer } from '../src/index.ts';
import { GPT2, haveShared, LLAMA2, LLAMA3, sharedBytes } from './files.ts';
import { trainedBytes, trainedGpt2, trainedPieces } from './trained.ts';

const REAL = { 'Llama 2': LLAMA2, 'Llama 3': LLAMA3, 'GPT-2': GPT2 };
const all: [string, () => SentencePieceTokenizer | ByteLevelTokenizer][] = [
  ['trained pieces', trainedPieces],
  ['trained bytes', () => trainedBytes({ specialTokens: ['<|end|>'] })],
  ['trained bytes of the GPT-2 form', trainedGpt2],
];
for (const [name, file] of Object.entries(REAL))
  if (haveShared(file)) all.push([name, () => parseTokenizer(sharedBytes(file))]);

/** Any code points, real-looking words, spaces of all kinds, runs. */
const text = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'binary', maxLength: 12 }),
      fc.string({ unit: 'grapheme', maxLength: 12 }),
      fc.constantFrom(' ', '  ', '\n', '\t', 'the', ' llama', '12', "'s", '🦙', '👩‍👩‍👧', '<s>', '<|end|>', '\0'),
      fc
        .tuple(fc.constantFrom('a', ' ', 'é', '🦙', '='), fc.integer({ min: 1, max: 90 }))
        .map(([c, n]) => c.repeat(n)),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''));

/** As String.prototype.toWellFormed, by Node's own encoder. */
const wellFormed = (value: string): string => Buffer.from(value, 'utf8').toString('utf8');

describe.each(all)('%s', (name, make) => {
  const tokenizer = make();
  const spaced = (value: string): string =>
    name === 'Llama 2' || name === 'trained pieces' ? value.replaceAll('▁', ' ') : value;

  it('gives every text back, at once and id by id', () => {
    fc.assert(
      fc.property(text, (value) => {
        const ids = tokenizer.encode(value);
        const stream = tokenizer.decodeStream();
        const streamed = Array.from(ids, (id) => stream.push(id));
        expect(tokenizer.decode(ids)).toBe(spaced(value));
        expect(streamed.join('') + stream.end()).toBe(spaced(value));
        for (const piece of streamed) expect(wellFormed(piece)).toBe(piece);
      }),
      { numRuns: 200 },
    );
  });

  it('counts, batches and measures as it encodes', () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        const ids = tokenizer.encode(a);
        expect(tokenizer.countTokens(a)).toBe(ids.length);
        expect(tokenizer.encodeBatch([b, a])[1]).toEqual(ids);
        const { ids: same, byteStart, byteEnd, start, end } = tokenizer.encodeWithOffsets(a);
        expect(same).toEqual(ids);
        const bytes = Buffer.from(a);
        let at = 0;
        ids.forEach((id, i) => {
          expect(byteStart[i]).toBe(at); // tokens follow each other without a gap
          at = byteEnd[i];
          const covered = a.slice(start[i], end[i]);
          expect(Buffer.from(covered).includes(bytes.subarray(byteStart[i], byteEnd[i]))).toBe(true);
          if (name === 'Llama 3' || name === 'trained bytes')
            expect(tokenizer.tokenBytes(id)).toEqual(
              new Uint8Array(bytes.subarray(byteStart[i], byteEnd[i])),
            );
        });
        expect(at).toBe(bytes.length);
      }),
      { numRuns: 150 },
    );
  });

  it('takes a lone surrogate for U+FFFD', () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.integer({ min: 0xd000, max: 0xe000 }).map((unit) => String.fromCharCode(unit)),
          maxLength: 8,
        }),
        (value) => {
          expect(tokenizer.encode(value)).toEqual(tokenizer.encode(wellFormed(value)));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('decodes and streams any ids to the same text', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: tokenizer.vocabSize - 1 }), { maxLength: 30 }),
        (ids) => {
          const stream = tokenizer.decodeStream();
          expect(ids.map((id) => stream.push(id)).join('') + stream.end()).toBe(tokenizer.decode(ids));
        },
      ),
      { numRuns: 150 },
    );
  });

  if ('encodeBytes' in tokenizer) {
    it('gives any bytes back', () => {
      const bytes = fc.oneof(
        fc.uint8Array({ maxLength: 60 }),
        fc
          .tuple(text, fc.uint8Array({ maxLength: 4 }))
          .map(([a, b]) => new Uint8Array([...Buffer.from(a), ...b, ...Buffer.from(a)])),
      );
      fc.assert(
        fc.property(bytes, (value) => {
          expect(tokenizer.decodeBytes(tokenizer.encodeBytes(value))).toEqual(value);
        }),
        { numRuns: 200 },
      );
      fc.assert(
        fc.property(text, (value) => {
          expect(tokenizer.encodeBytes(new TextEncoder().encode(value))).toEqual(tokenizer.encode(value));
        }),
        { numRuns: 100 },
      );
    });
  }
});
