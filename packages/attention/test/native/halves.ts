/**
 * Attention that reads and writes bf16 as it lies: against the oracle in float64 on the same
 * numbers, and NaN where it belongs.
 */
import { expect, it } from 'vitest';
import { attention, attentionGrad } from '../../src/index.ts';
import { bits, relativeError } from '../helpers.ts';
import { type Driver, shapesOf } from '../native.ts';
import { backward, forward, fromBf16, makeInputs, once, type Shape, toBf16 } from './problems.ts';

/**
 * Widths that are whole pairs and vectors, and are not; groups; segments that end within a pair, a
 * tile, a chunk; enough for whole ones.
 */
const cases: readonly (Shape & { readonly segments: readonly number[] })[] = [
  { heads: 4, kvHeads: 2, headDim: 64, segments: [0, 257] },
  { heads: 6, kvHeads: 6, headDim: 48, segments: [0, 1, 130, 256] },
  { heads: 3, kvHeads: 1, headDim: 7, segments: [0, 90] },
  { heads: 3, kvHeads: 3, headDim: 34, segments: [0, 3, 80, 211] },
  { heads: 5, kvHeads: 1, headDim: 128, segments: [0, 75] },
  { heads: 1, kvHeads: 1, headDim: 2, segments: [0, 1] },
];

/** Inputs of a case, and what the oracle makes of them in float64, cut to bf16. */
const oracle = once((example: (typeof cases)[number]) => {
  const { segments, ...shape } = example;
  const inputs = makeInputs(segments[segments.length - 1], shape, 5, 1.5);
  const [q, k, v, dout] = [inputs.q, inputs.k, inputs.v, inputs.dout].map(
    (x) => new Float64Array(fromBf16(toBf16(x))),
  );
  const options = { ...shape, segments: Int32Array.from(segments) };
  return { inputs, expected: { ...attention(q, k, v, options), ...attentionGrad(dout, q, k, v, options) } };
});

/** Rounding of inputs apart, bf16 keeps 8 bits: PyTorch allows 1.6e-2 of a result. */
const ROUNDED = 1.6e-2;

export function halvesTests(driver: () => Driver, full: boolean): void {
  it.each(shapesOf(full, cases))('bf16 as it lies equals the oracle: %o', (example) => {
    const { segments: starts, ...shape } = example;
    const segments = Int32Array.from(starts);
    const { inputs, expected } = oracle(example);
    const actual = {
      ...forward(driver(), inputs, shape, segments, { half: true }),
      ...backward(driver(), inputs, shape, segments, { half: true }),
    };
    expect(relativeError(actual.lse, expected.lse, 0.1)).toBeLessThan(2e-6);
    for (const name of ['out', 'dq', 'dk', 'dv'] as const)
      expect(relativeError(actual[name], expected[name], 0.1), name).toBeLessThan(ROUNDED);
  });

  it.each([40, 41])('gradients of later keys and other rows know nothing of a NaN in row %i', (row) => {
    const [shape, segments] = [{ heads: 1, kvHeads: 1, headDim: 32 }, Int32Array.of(0, 100)];
    const inputs = makeInputs(100, shape, 6);
    const before = backward(driver(), inputs, shape, segments, { half: true });
    inputs.dout.fill(NaN, row * 32, (row + 1) * 32);
    const after = backward(driver(), inputs, shape, segments, { half: true });
    for (const name of ['dk', 'dv'] as const) {
      expect(
        bits(after[name].subarray((row + 1) * 32)).equals(bits(before[name].subarray((row + 1) * 32))),
        name,
      ).toBe(true);
      expect(after[name].subarray(0, (row + 1) * 32).every(Number.isNaN), name).toBe(true);
    }
    for (const [from, to] of [
      [0, row],
      [row + 1, 100],
    ] as const)
      expect(
        bits(after.dq.subarray(from * 32, to * 32)).equals(bits(before.dq.subarray(from * 32, to * 32))),
      ).toBe(true);
  });
}
