/** No bit depends on the order of the units of work, nor on what a segment is packed with. */
import { expect, it } from 'vitest';
import { bits } from '../helpers.ts';
import { type Driver, shapesOf } from '../native.ts';
import { backward, forward, type Inputs, makeInputs } from './problems.ts';

const names = ['out', 'lse', 'dq', 'dk', 'dv'] as const;

export function equalBitsTests(driver: () => Driver, full: boolean): void {
  it.each([false, true])('the order of the units changes no bit, bf16 %o', (half) => {
    for (const [shape, segments] of [
      [{ heads: 4, kvHeads: 2, headDim: 20 }, Int32Array.of(0, 300)],
      [{ heads: 3, kvHeads: 3, headDim: 24 }, Int32Array.of(0, 90, 91, 230)],
      [{ heads: 6, kvHeads: 2, headDim: 24, window: 45 }, Int32Array.of(0, 90, 91, 330)],
    ] as const) {
      const inputs = makeInputs(segments[segments.length - 1], shape, 7);
      const [up, down] = [false, true].map((reverse) => ({
        ...forward(driver(), inputs, shape, segments, { reverse, half }),
        ...backward(driver(), inputs, shape, segments, { reverse, half }),
      }));
      for (const name of names) expect(bits(up[name]).equals(bits(down[name])), name).toBe(true);
    }
  });

  const shapes = [
    { heads: 4, kvHeads: 2, headDim: 20, half: false },
    { heads: 6, kvHeads: 2, headDim: 48, half: false },
    { heads: 3, kvHeads: 3, headDim: 7, half: false },
    { heads: 6, kvHeads: 2, headDim: 48, half: true },
    { heads: 3, kvHeads: 3, headDim: 30, half: true },
    { heads: 6, kvHeads: 2, headDim: 48, window: 51, half: false },
    { heads: 3, kvHeads: 3, headDim: 30, window: 140, half: true },
  ];
  const kindOf = (shape: (typeof shapes)[number]) => `${shape.half} ${'window' in shape}`;
  it.each(shapesOf(full, shapes, kindOf))(
    'packed segments equal the same segments alone, bit for bit: %o',
    ({ half, ...shape }) => {
      // alone, few units: cut by tiles; packed, many: cut by segments. Both must be the same sums.
      const segments = Int32Array.of(0, 200, 201, 330, 394, 458, 500, 501, 560, 689);
      const packed = makeInputs(689, shape, 11, 3);
      const together = {
        ...forward(driver(), packed, shape, segments, { half }),
        ...backward(driver(), packed, shape, segments, { half }),
      };
      for (let s = 0; s + 1 < segments.length; s++) {
        const rows = (x: Float32Array): Float32Array =>
          x.subarray((segments[s] * x.length) / 689, (segments[s + 1] * x.length) / 689);
        const own: Inputs = {
          q: rows(packed.q),
          k: rows(packed.k),
          v: rows(packed.v),
          dout: rows(packed.dout),
        };
        const starts = Int32Array.of(0, segments[s + 1] - segments[s]);
        const alone = {
          ...forward(driver(), own, shape, starts, { half }),
          ...backward(driver(), own, shape, starts, { half }),
        };
        for (const name of names) {
          expect(bits(rows(together[name])).equals(bits(alone[name])), `${name} of segment ${s}`).toBe(true);
        }
      }
    },
  );

  it.each([false, true])('a window as long as the text changes no bit, bf16 %o', (half) => {
    const [shape, segments] = [{ heads: 4, kvHeads: 2, headDim: 20 }, Int32Array.of(0, 260)];
    const inputs = makeInputs(260, shape, 5);
    const run = (window?: number) => {
      const seen = window === undefined ? shape : { ...shape, window };
      return {
        ...forward(driver(), inputs, seen, segments, { half }),
        ...backward(driver(), inputs, seen, segments, { half }),
      };
    };
    const [all, wide] = [run(), run(260)];
    for (const name of names) expect(bits(wide[name]).equals(bits(all[name])), name).toBe(true);
  });

  it.each([false, true])('what lies before the window is never touched, be it NaN, bf16 %o', (half) => {
    const [shape, segments] = [{ heads: 4, kvHeads: 2, headDim: 20, window: 37 }, Int32Array.of(0, 260)];
    const inputs = makeInputs(260, shape, 6);
    const before = forward(driver(), inputs, shape, segments, { half });
    const width = shape.kvHeads * shape.headDim;
    for (const x of [inputs.k, inputs.v]) x.fill(NaN, 90 * width, 101 * width);
    const after = forward(driver(), inputs, shape, segments, { half });
    // Key 100 is seen up to row 136.
    const later = 137 * shape.heads * shape.headDim;
    expect(bits(after.out.subarray(later)).equals(bits(before.out.subarray(later)))).toBe(true);
    expect(after.out.subarray(later - 4, later).some(Number.isNaN)).toBe(true);
  });
}
