/** The blocked version against the oracle and central differences; packing, paging and chunking change no bit. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  attention,
  attentionGrad,
  flashAttention,
  flashAttentionGrad,
  pagedAttention,
  writeCache,
} from '../src/index.ts';
import type { AttentionOptions, FloatArray } from '../src/index.ts';
import { bits, random, randomF32, randomF64, relativeError } from './helpers.ts';

const shapes = [
  { T: 1, heads: 1, kvHeads: 1, headDim: 1, segments: [0, 1] },
  { T: 7, heads: 3, kvHeads: 3, headDim: 5, segments: [0, 3, 3, 7] },
  { T: 130, heads: 4, kvHeads: 2, headDim: 8, segments: [0, 130] },
  { T: 203, heads: 3, kvHeads: 1, headDim: 6, segments: [0, 64, 65, 203] },
  { T: 300, heads: 2, kvHeads: 2, headDim: 16, segments: [0, 21, 300] },
];

describe('flash attention equals the oracle', () => {
  for (const { T, segments, ...heads } of shapes) {
    it(`T ${T}, H ${heads.heads}, K ${heads.kvHeads}, E ${heads.headDim}, segments ${segments.join(' ')}`, () => {
      const options = { ...heads, segments: Int32Array.from(segments) };
      const next = random(T);
      const make = (n: number): Float64Array => randomF64(n, next, 2);
      const [q, dout] = [make(T * heads.heads * heads.headDim), make(T * heads.heads * heads.headDim)];
      const [k, v] = [make(T * heads.kvHeads * heads.headDim), make(T * heads.kvHeads * heads.headDim)];
      compareAll(q, k, v, dout, options, 1e-12);
      compareAll(
        Float32Array.from(q),
        Float32Array.from(k),
        Float32Array.from(v),
        Float32Array.from(dout),
        options,
        3e-6,
      );
    });
  }

  it.each([1, 5, 64, 128, 129, 200, 1000])('with a window of %d', (window) => {
    for (const segments of [
      [0, 300],
      [0, 150, 151, 300],
    ]) {
      const options = { heads: 3, kvHeads: 1, headDim: 6, window, segments: Int32Array.from(segments) };
      const next = random(window);
      const [wide, narrow] = [300 * 18, 300 * 6];
      const arrays = [wide, narrow, narrow, wide].map((n) => randomF64(n, next, 2));
      compareAll(arrays[0], arrays[1], arrays[2], arrays[3], options, 1e-12);
    }
  });

  it('with more keys than queries, and with rows that see none', () => {
    for (const [T, N, queryOffset, window] of [
      [5, 140, 135],
      [70, 70, -3],
      [9, 4, -20],
      [3, 200, 7],
      [3, 200, 150, 20],
      [9, 4, 2, 3],
    ]) {
      const options = { heads: 2, kvHeads: 1, headDim: 4, queryOffset, ...(window && { window }) };
      const next = random(N);
      compareAll(
        randomF64(T * 8, next),
        randomF64(N * 4, next),
        randomF64(N * 4, next),
        randomF64(T * 8, next),
        options,
        1e-12,
      );
    }
  });
});

function compareAll<A extends FloatArray>(
  q: A,
  k: A,
  v: A,
  dout: A,
  options: AttentionOptions,
  limit: number,
): void {
  const expected = { ...attention(q, k, v, options), ...attentionGrad(dout, q, k, v, options) };
  const forward = flashAttention(q, k, v, options);
  const actual = { ...forward, ...flashAttentionGrad(dout, q, k, v, forward.out, forward.lse, options) };
  for (const name of ['out', 'lse', 'dq', 'dk', 'dv'] as const) {
    expect(relativeError(actual[name], expected[name], 0.1), name).toBeLessThan(limit);
  }
}

describe('gradients equal central differences in float64', () => {
  const cases: Record<string, { T: number; N: number; options: AttentionOptions }> = {
    grouped: { T: 9, N: 9, options: { heads: 4, kvHeads: 2, headDim: 3 } },
    packed: { T: 8, N: 8, options: { heads: 2, headDim: 4, segments: Int32Array.of(0, 3, 8) } },
    window: { T: 9, N: 9, options: { heads: 2, kvHeads: 1, headDim: 3, window: 4 } },
    prefix: { T: 4, N: 135, options: { heads: 2, kvHeads: 1, headDim: 3, scale: 0.7 } },
  };
  for (const [name, { T, N, options }] of Object.entries(cases)) {
    it(name, () => {
      const next = random(5);
      const { heads, headDim, kvHeads = heads } = options;
      const q = randomF64(T * heads * headDim, next);
      const [k, v] = [randomF64(N * kvHeads * headDim, next), randomF64(N * kvHeads * headDim, next)];
      const weight = randomF64(q.length, next);
      const { out, lse } = flashAttention(q, k, v, options);
      const loss = (): number =>
        attention(q, k, v, options).out.reduce((sum, x, i) => sum + x * weight[i], 0);
      const numeric = (x: Float64Array): Float64Array =>
        x.map((value, i) => {
          const step = 1e-5;
          x[i] = value + step;
          const up = loss();
          x[i] = value - step;
          const down = loss();
          x[i] = value;
          return (up - down) / (2 * step);
        });
      const expected = { dq: numeric(q), dk: numeric(k), dv: numeric(v) };
      for (const grads of [
        attentionGrad(weight, q, k, v, options),
        flashAttentionGrad(weight, q, k, v, out, lse, options),
      ]) {
        for (const key of ['dq', 'dk', 'dv'] as const)
          expect(relativeError(grads[key], expected[key]), key).toBeLessThan(1e-7);
      }
    });
  }
});

describe('same bits', () => {
  it('packed segments equal the same segments alone, forward and backward', () => {
    const lengths = fc.array(fc.integer({ min: 0, max: 150 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(
        lengths,
        fc.constantFrom([2, 1], [3, 3], [4, 2]),
        fc.integer(),
        (lengths, [heads, kvHeads], seed) => {
          const segments = Int32Array.from([
            0,
            ...lengths.map((_, i) => lengths.slice(0, i + 1).reduce((a, b) => a + b)),
          ]);
          const T = segments[lengths.length];
          const [headDim, next] = [5, random(seed)];
          const [q, dout] = [randomF32(T * heads * headDim, next, 3), randomF32(T * heads * headDim, next)];
          const [k, v] = [randomF32(T * kvHeads * headDim, next, 3), randomF32(T * kvHeads * headDim, next)];
          const shape = { heads, kvHeads, headDim };
          const packed = flashAttention(q, k, v, { ...shape, segments });
          const grads = flashAttentionGrad(dout, q, k, v, packed.out, packed.lse, { ...shape, segments });
          lengths.forEach((_, s) => {
            const rows = (x: Float32Array): Float32Array =>
              x.subarray((segments[s] * x.length) / (T || 1), (segments[s + 1] * x.length) / (T || 1));
            const alone = flashAttention(rows(q), rows(k), rows(v), shape);
            const own = flashAttentionGrad(
              rows(dout),
              rows(q),
              rows(k),
              rows(v),
              alone.out,
              alone.lse,
              shape,
            );
            expect(bits(rows(packed.out)).equals(bits(alone.out))).toBe(true);
            expect(bits(rows(packed.lse)).equals(bits(alone.lse))).toBe(true);
            for (const key of ['dq', 'dk', 'dv'] as const)
              expect(bits(rows(grads[key])).equals(bits(own[key])), key).toBe(true);
          });
        },
      ),
      { numRuns: 15 },
    );
  });

  it('a paged cache, in chunks of any length, equals full attention', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 3 }),
        fc.constantFrom(1, 4, 16, 128),
        fc.constantFrom(undefined, 1, 40, 128, 130),
        fc.integer(),
        (lengths, blockSize, window, seed) => {
          const next = random(seed);
          const pick = (n: number): number => Math.min(n - 1, Math.floor(((next() + 1) / 2) * n));
          const shape = { heads: 4, kvHeads: 2, headDim: 6, ...(window && { window }) };
          const [wide, narrow] = [24, 12];
          const maxBlocks = Math.ceil(Math.max(...lengths) / blockSize);
          const blocks = maxBlocks * lengths.length + 3;
          const free = Int32Array.from({ length: blocks }, (_, i) => i).sort(() => next());
          const blockTable = Int32Array.from({ length: maxBlocks * lengths.length }, (_, i) => free[i]);
          const [keyCache, valueCache] = [0, 1].map(() =>
            new Float32Array(blocks * blockSize * narrow).fill(NaN),
          );
          const sequences = lengths.map((n) => [
            randomF32(n * wide, next, 3),
            randomF32(n * narrow, next, 3),
            randomF32(n * narrow, next),
          ]);
          sequences.forEach(([, k, v], s) => {
            const slots = Int32Array.from({ length: lengths[s] }, (_, p) => {
              return blockTable[s * maxBlocks + Math.floor(p / blockSize)] * blockSize + (p % blockSize);
            });
            writeCache(keyCache, valueCache, k, v, slots);
          });
          const news = lengths.map((n) => pick(n + 1)); // the last rows of each sequence, none to all of them
          const queryStarts = Int32Array.from([
            0,
            ...news.map((_, i) => news.slice(0, i + 1).reduce((a, b) => a + b)),
          ]);
          const q = Float32Array.from(
            sequences.flatMap(([q], s) => [...q.subarray((lengths[s] - news[s]) * wide)]),
          );
          const out = new Float32Array(q.length);
          pagedAttention(out, q, keyCache, valueCache, {
            ...shape,
            blockSize,
            blockTable,
            queryStarts,
            lengths: Int32Array.from(lengths),
          });
          sequences.forEach(([q, k, v], s) => {
            const full = flashAttention(q, k, v, shape).out.subarray((lengths[s] - news[s]) * wide);
            expect(
              bits(out.subarray(queryStarts[s] * wide, queryStarts[s + 1] * wide)).equals(bits(full)),
            ).toBe(true);
          });
        },
      ),
      { numRuns: 25 },
    );
  });

  it('no row depends on what lies before its window, even if it is not finite', () => {
    const [T, options] = [250, { heads: 2, kvHeads: 1, headDim: 4, window: 60 }];
    const next = random(3);
    const [q, k, v] = [randomF32(T * 8, next), randomF32(T * 4, next), randomF32(T * 4, next)];
    const before = flashAttention(q, k, v, options).out;
    k.fill(NaN, 0, 100 * 4);
    v.fill(Infinity, 0, 100 * 4);
    const after = flashAttention(q, k, v, options).out;
    expect(bits(after.subarray(159 * 8)).equals(bits(before.subarray(159 * 8)))).toBe(true);
    expect(after.subarray(0, 159 * 8).every(Number.isNaN)).toBe(true);
  });

  it('no row depends on later rows, even if they are not finite', () => {
    const [T, options] = [150, { heads: 2, kvHeads: 1, headDim: 4 }];
    const next = random(1);
    const [q, k, v] = [randomF32(T * 8, next), randomF32(T * 4, next), randomF32(T * 4, next)];
    const before = flashAttention(q, k, v, options).out;
    k.fill(NaN, 77 * 4);
    v.fill(Infinity, 77 * 4);
    expect(
      bits(flashAttention(q, k, v, options).out.subarray(0, 77 * 8)).equals(bits(before.subarray(0, 77 * 8))),
    ).toBe(true);
  });
});
