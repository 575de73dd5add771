/**
 * Attention over a paged cache: the bits of full attention, whatever the form, the blocks and the
 * chunks of new rows.
 */
import { expect, it } from 'vitest';
import { attention, writeCache } from '../../src/index.ts';
import { bits, random, relativeError } from '../helpers.ts';
import { decode, type Driver, type Isa, shapesOf } from '../native.ts';
import { concat, forward, fromBf16, makeInputs, once, toBf16 } from './problems.ts';

const windowed = (shape: object) => String('window' in shape);

const storedBytes = (stored: 'f32' | 'bf16' | 'q8_0', numbers: number) =>
  stored === 'f32' ? 4 * numbers : stored === 'bf16' ? 2 * numbers : (numbers / 32) * 34;

/** Numbers as a cache stores them, and what they are then. Scales of blocks are 2⁻⁶. */
function encodeStored(
  stored: 'f32' | 'bf16' | 'q8_0',
  numbers: Float32Array,
): { bytes: Uint8Array; numbers: Float32Array } {
  if (stored === 'f32') return { bytes: new Uint8Array(numbers.slice().buffer), numbers };
  if (stored === 'bf16') {
    const halves = toBf16(numbers);
    return { bytes: new Uint8Array(halves.buffer), numbers: fromBf16(halves) };
  }
  const levels = new Int8Array(numbers.length);
  for (let i = 0; i < levels.length; i++)
    levels[i] = Math.max(-127, Math.min(127, Math.round(64 * numbers[i])));
  const bytes = new Uint8Array(storedBytes(stored, numbers.length));
  for (let block = 0; block * 32 < numbers.length; block++) {
    bytes.set([0, 0x24], block * 34);
    bytes.set(new Uint8Array(levels.buffer, block * 32, 32), block * 34 + 2);
  }
  return { bytes, numbers: Float32Array.from(levels, (level) => level / 64) };
}

/** How caches are stored, with the queries in f32 or bf16. */
const storedCases = [
  { stored: 'f32', half: false, heads: 3, kvHeads: 1, headDim: 40, blockSize: 16 },
  { stored: 'bf16', half: false, heads: 8, kvHeads: 1, headDim: 64, blockSize: 32 },
  { stored: 'bf16', half: true, heads: 2, kvHeads: 2, headDim: 33, blockSize: 16 },
  { stored: 'bf16', half: true, heads: 2, kvHeads: 2, headDim: 64, blockSize: 16 },
  { stored: 'bf16', half: true, heads: 12, kvHeads: 1, headDim: 48, blockSize: 128 },
  { stored: 'q8_0', half: false, heads: 4, kvHeads: 2, headDim: 32, blockSize: 64 },
  { stored: 'q8_0', half: true, heads: 20, kvHeads: 1, headDim: 96, blockSize: 16 },
  { stored: 'bf16', half: true, heads: 8, kvHeads: 2, headDim: 64, blockSize: 16, window: 131 },
  { stored: 'q8_0', half: false, heads: 4, kvHeads: 2, headDim: 32, blockSize: 64, window: 257 },
  { stored: 'bf16', half: true, heads: 3, kvHeads: 1, headDim: 33, blockSize: 16, window: 51 },
] as const;
type StoredCase = (typeof storedCases)[number];

/** Sequences of a case, their numbers as its cache stores them, and what the oracle makes of these in float64. */
const storedOracle = once((example: StoredCase) => {
  const { stored, half, heads, headDim } = example;
  // Chunks of 128 keys: none, one, one and a few, whole ones; five where the oracle is not too slow for them.
  const lengths = Int32Array.of(1, 385, 128, 0, heads * headDim > 500 ? 300 : 600);
  const sequences = Array.from(lengths, (n, s) => makeInputs(n, example, s + 1, 1.5));
  const rows = sequences.map(({ k, v }) => ({ k: encodeStored(stored, k), v: encodeStored(stored, v) }));
  const shape = {
    heads,
    kvHeads: example.kvHeads,
    headDim,
    ...('window' in example && { window: example.window }),
  };
  const expected = sequences.map(({ q }, s) => {
    const numbers = [half ? fromBf16(toBf16(q)) : q, rows[s].k.numbers, rows[s].v.numbers] as const;
    const [a, b, c] = numbers.map((x) => new Float64Array(x));
    return lengths[s] > 0 ? attention(a, b, c, shape).out : undefined;
  });
  return { lengths, sequences, rows, expected };
});

export function pagedTests(isa: Isa, driver: () => Driver, full: boolean): void {
  it.each(
    shapesOf(
      full,
      [
        { heads: 1, kvHeads: 1, headDim: 48, blockSize: 16 },
        { heads: 4, kvHeads: 2, headDim: 33, blockSize: 1 },
        { heads: 8, kvHeads: 1, headDim: 64, blockSize: 128 },
        { heads: 6, kvHeads: 2, headDim: 20, blockSize: 32 },
        { heads: 24, kvHeads: 2, headDim: 40, blockSize: 8 },
        { heads: 4, kvHeads: 2, headDim: 33, blockSize: 16, window: 30 },
        { heads: 8, kvHeads: 1, headDim: 64, blockSize: 128, window: 129 },
        { heads: 12, kvHeads: 1, headDim: 24, blockSize: 32, window: 1 },
      ],
      windowed,
    ),
  )(
    'a paged cache, in chunks of any length, equals full attention bit for bit: %o',
    ({ blockSize, ...shape }) => {
      const { heads, kvHeads, headDim } = shape;
      const [wide, narrow, next] = [heads * headDim, kvHeads * headDim, random(blockSize)];
      const lengths = Int32Array.of(1, 290, 128, 37, 129);
      const maxBlocks = Math.ceil(290 / blockSize);
      const blocks = lengths.length * maxBlocks;
      const blockTable = Int32Array.from({ length: blocks }, (_, i) => i).sort(() => next());
      const [keys, values] = [0, 1].map(() => new Float32Array(blocks * blockSize * narrow).fill(NaN));
      const sequences = Array.from(lengths, (n, s) => makeInputs(n, shape, s, 3));
      const full = sequences.map(
        (inputs, s) => forward(driver(), inputs, shape, Int32Array.of(0, lengths[s])).out,
      );
      sequences.forEach(({ k, v }, s) => {
        const slots = Int32Array.from(
          { length: lengths[s] },
          (_, p) => blockTable[s * maxBlocks + Math.floor(p / blockSize)] * blockSize + (p % blockSize),
        );
        writeCache(keys, values, k, v, slots);
      });
      for (const news of [
        [1, 1, 1, 1, 1],
        [0, 3, 65, 37, 2],
        [1, 290, 128, 37, 129],
        [1, 17, 9, 0, 100],
      ]) {
        const starts = Int32Array.from([
          0,
          ...news.map((_, i) => news.slice(0, i + 1).reduce((a, b) => a + b)),
        ]);
        const q = concat(sequences.map(({ q }, s) => q.subarray((lengths[s] - news[s]) * wide)));
        const arrays = [q, keys, values, blockTable, starts, lengths];
        const answer = driver().run({
          op: 'paged',
          T: starts[5],
          S: 5,
          ...shape,
          blockSize,
          maxBlocks,
          blocks,
          arrays,
        });
        const [out] = decode(answer, [q.length]);
        full.forEach((expected, s) => {
          const own = out.subarray(starts[s] * wide, starts[s + 1] * wide);
          expect(
            bits(own).equals(bits(expected.subarray((lengths[s] - news[s]) * wide))),
            `sequence ${s} of ${news}`,
          ).toBe(true);
        });
      }
    },
  );

  it.each(shapesOf(full, storedCases, (example) => `${example.stored} ${example.half} ${windowed(example)}`))(
    'a cache in any form, in chunks of any length, is one sum: %o',
    (example) => {
      const { stored, half, blockSize, ...shape } = example;
      const { heads, kvHeads, headDim } = shape;
      const [wide, narrow, next] = [heads * headDim, kvHeads * headDim, random(headDim)];
      const { lengths, sequences, rows, expected } = storedOracle(example);
      const maxBlocks = Math.ceil(Math.max(...lengths) / blockSize);
      const blocks = lengths.length * maxBlocks;
      const blockTable = Int32Array.from({ length: blocks }, (_, i) => i).sort(() => next());
      const [keys, values] = (['k', 'v'] as const).map((which) => {
        const cache = new Uint8Array(storedBytes(stored, blocks * blockSize * narrow)).fill(0xff); // NaN
        rows.forEach((each, s) => {
          const bytes = storedBytes(stored, narrow);
          for (let p = 0; p < lengths[s]; p++) {
            const slot = blockTable[s * maxBlocks + Math.floor(p / blockSize)] * blockSize + (p % blockSize);
            cache.set(each[which].bytes.subarray(p * bytes, (p + 1) * bytes), slot * bytes);
          }
        });
        return cache;
      });
      const run = (news: readonly number[], reverse = false) => {
        const starts = Int32Array.from([
          0,
          ...news.map((_, i) => news.slice(0, i + 1).reduce((a, b) => a + b)),
        ]);
        const q = concat(sequences.map((each, s) => each.q.subarray((lengths[s] - news[s]) * wide)));
        const arrays = [half ? toBf16(q) : q, keys, values, blockTable, starts, lengths];
        const common = { T: starts[5], S: 5, ...shape, blockSize, maxBlocks, blocks, stored, half, reverse };
        const answer = driver().run({ op: 'paged', ...common, arrays });
        return sequences.map((_, s) => {
          const bytes = wide * (half ? 2 : 4);
          return Buffer.from(answer.subarray(starts[s] * bytes, starts[s + 1] * bytes));
        });
      };
      const whole = run([...lengths]);
      for (const news of [
        [1, 1, 1, 0, 1],
        [0, 4, 4, 0, 2],
        [1, 129, 65, 0, 5],
      ]) {
        for (const reverse of [false, true]) {
          run(news, reverse).forEach((own, s) =>
            expect(
              own.equals(whole[s].subarray(whole[s].length - own.length)),
              `sequence ${s} of ${news}`,
            ).toBe(true),
          );
        }
      }
      expected.forEach((right, s) => {
        const actual = half
          ? fromBf16(new Uint16Array(whole[s].buffer, whole[s].byteOffset, whole[s].length / 2))
          : new Float32Array(whole[s].buffer, whole[s].byteOffset, whole[s].length / 4);
        const exact = half || (isa === 'avx512bf16' && stored !== 'f32') ? 1e-2 : 2e-6;
        if (right) expect(relativeError(actual, right, 0.1)).toBeLessThan(exact);
      });
    },
  );
}
