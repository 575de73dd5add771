/** The native kernels against the oracle in float64, and numbers at the ends of their range. */
import { expect, it } from 'vitest';
import { attention, attentionGrad } from '../../src/index.ts';
import { bits, relativeError } from '../helpers.ts';
import { type Driver, shapesOf } from '../native.ts';
import { backward, forward, makeInputs, once, type Shape } from './problems.ts';

/**
 * Odd widths, every kind of grouping, group sizes that do not divide a tile, segments shorter and
 * longer than tiles and chunks.
 */
const cases: (Shape & { readonly segments: readonly number[] })[] = [
  { heads: 1, kvHeads: 1, headDim: 1, segments: [0, 1] },
  { heads: 3, kvHeads: 3, headDim: 5, segments: [0, 3, 3, 80] },
  { heads: 6, kvHeads: 6, headDim: 48, segments: [0, 130, 256] },
  { heads: 4, kvHeads: 2, headDim: 64, segments: [0, 257] },
  { heads: 6, kvHeads: 2, headDim: 17, segments: [0, 64, 65, 203] },
  { heads: 8, kvHeads: 1, headDim: 80, segments: [0, 150] },
  { heads: 5, kvHeads: 1, headDim: 31, segments: [0, 1, 2, 100] },
  { heads: 71, kvHeads: 1, headDim: 8, segments: [0, 9, 30] },
  { heads: 2, kvHeads: 2, headDim: 128, segments: [0, 21, 320] },
  { heads: 2, kvHeads: 1, headDim: 256, segments: [0, 140] },
  { heads: 4, kvHeads: 4, headDim: 112, segments: [0, 10, 20, 50, 80, 100, 101, 110] },
  // Windows shorter than a tile, of a chunk and one more, and in segments shorter than the window.
  { heads: 4, kvHeads: 2, headDim: 24, window: 1, segments: [0, 3, 200] },
  { heads: 3, kvHeads: 1, headDim: 33, window: 7, segments: [0, 290] },
  { heads: 2, kvHeads: 2, headDim: 16, window: 129, segments: [0, 64, 65, 400] },
  {
    heads: 5,
    kvHeads: 1,
    headDim: 48,
    window: 128,
    segments: [0, 300, 340, 341, 342, 350, 360, 370, 380, 500],
  },
];

/** Inputs of a case and the oracle's float64 results. */
const oracle = once((example: (typeof cases)[number]) => {
  const { segments, ...shape } = example;
  const options = { ...shape, segments: Int32Array.from(segments) };
  const inputs = makeInputs(segments[segments.length - 1], shape, shape.headDim, 1.5);
  const [q, k, v, dout] = [inputs.q, inputs.k, inputs.v, inputs.dout].map((x) => Float64Array.from(x));
  return { inputs, expected: { ...attention(q, k, v, options), ...attentionGrad(dout, q, k, v, options) } };
});

const names = ['out', 'lse', 'dq', 'dk', 'dv'] as const;

export function oracleTests(driver: () => Driver, full: boolean): void {
  it.each(shapesOf(full, cases, (shape) => String('window' in shape)))('equals the oracle: %o', (example) => {
    const { segments, ...shape } = example;
    const { inputs, expected } = oracle(example);
    const starts = Int32Array.from(segments);
    const actual = {
      ...forward(driver(), inputs, shape, starts),
      ...backward(driver(), inputs, shape, starts),
    };
    for (const name of names) {
      const limit = name === 'out' || name === 'lse' ? 2e-6 : 2e-5;
      expect(relativeError(actual[name], expected[name], 0.1), name).toBeLessThan(limit);
    }
  });

  it('saturated and huge scores stay finite and right', () => {
    const [shape, segments] = [{ heads: 2, kvHeads: 1, headDim: 16 }, Int32Array.of(0, 300)];
    const inputs = makeInputs(300, shape, 3, 200);
    const actual = forward(driver(), inputs, shape, segments);
    const expected = attention(inputs.q, inputs.k, inputs.v, shape);
    expect(relativeError(actual.lse, expected.lse)).toBeLessThan(1e-6);
    expect(actual.out.every((x) => Math.abs(x) <= 1)).toBe(true);
    for (const grad of Object.values(backward(driver(), inputs, shape, segments)))
      expect(grad.every(Number.isFinite)).toBe(true);
  });

  it('a number that is not finite shows in its own row, head and segment, and in none before', () => {
    const [shape, segments] = [{ heads: 2, kvHeads: 1, headDim: 16 }, Int32Array.of(0, 200, 260)];
    const inputs = makeInputs(260, shape, 4);
    const before = forward(driver(), inputs, shape, segments);
    inputs.q[(150 * 2 + 1) * 16] = NaN; // row 150, head 1
    const after = forward(driver(), inputs, shape, segments);
    for (const [name, width] of [
      ['out', 16],
      ['lse', 1],
    ] as const) {
      before[name].set(new Float32Array(width).fill(NaN), 301 * width);
      expect(bits(after[name].map((x) => (Number.isNaN(x) ? NaN : x))).equals(bits(before[name])), name).toBe(
        true,
      );
    }
  });
}
