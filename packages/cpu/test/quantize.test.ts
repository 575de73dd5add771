import { describe, expect, test } from 'vitest';
import { cpuAvailability, nativeQuantizer } from '@cria/cpu';
import { dequantize, quantizable, quantize } from '@cria/tensor';

const COLUMNS = 512;
const ROWS = 96;
/** Rows of many scales, without a sign, with zeros, constants, outliers; and importance of the columns. */
const weights = Float32Array.from({ length: ROWS * COLUMNS }, (_, i) => {
  const [row, column] = [Math.floor(i / COLUMNS), i % COLUMNS];
  const value = Math.sin(i * 12.9898) + Math.sin(i * i * 0.618) + Math.sin(i * 78.233);
  if (row === 20 || (row % 13 === 6 && column % 32 > 5)) return 0;
  if (row === 31) return 1.25;
  const signed = row % 7 === 3 ? Math.abs(value) : row % 11 === 5 ? -Math.abs(value) : value;
  return signed * 2 ** ((row % 24) - 14) * (row === 33 && column % 64 === 9 ? 100 : 1);
});
const importance = Float32Array.from(
  { length: COLUMNS },
  (_, c) => Math.sin(c) ** 2 * (c % 17 === 0 ? 40 : 1),
);

describe.skipIf(!cpuAvailability().available).each(cpuAvailability().isas)('quantisers of %s', (isa) => {
  test.each(quantizable)(
    '%s has the bits of the plain quantisers, plain and by importance',
    async (dtype) => {
      using quantizer = nativeQuantizer({ isa, threads: 2 })!;
      const [first, second] = await Promise.all([
        quantizer.quantize(dtype, weights, COLUMNS),
        quantizer.quantize(dtype, weights, COLUMNS, importance),
      ]);
      for (const [blocks, weigh] of [
        [first.blocks, undefined],
        [second.blocks, importance],
      ] as const) {
        const plain = new Uint8Array(blocks.length);
        quantize(dtype, weights, COLUMNS, plain, weigh);
        expect(differing(blocks, plain)).toEqual([]);
      }
      for (const { blocks, error } of [first, second]) {
        const values = new Float32Array(weights.length);
        dequantize(dtype, blocks, values);
        let [squares, largest] = [0, 0];
        values.forEach((value, i) => {
          squares += (value - weights[i]!) ** 2;
          largest = Math.max(largest, Math.abs(value - weights[i]!));
        });
        expect(error.squares / squares).toBeCloseTo(1, 4);
        expect(error.largest / largest).toBeCloseTo(1, 5);
      }
    },
  );

  test('odd numbers of blocks, numbers from 1e-30 to 1e30: the bits of the plain quantisers', async () => {
    using quantizer = nativeQuantizer({ isa, threads: 1 })!;
    const columns = 768; // three blocks of 256: the last one alone
    const x = new Float32Array(3 * columns);
    for (let i = 0; i < x.length; i++) x[i] = Math.sin(i * i) * 10 ** (((i >> 5) % 61) - 30);
    x.set([0, -0, 1e-45, -1e-45], 1024);
    for (const dtype of quantizable) {
      for (const weights of [undefined, Float32Array.from({ length: columns }, (_, i) => (i * 7) % 5)]) {
        const { blocks } = await quantizer.quantize(dtype, x, columns, weights);
        const plain = new Uint8Array(blocks.length);
        quantize(dtype, x, columns, plain, weights);
        expect(differing(blocks, plain), `${dtype} ${weights ? 'weighted' : ''}`).toEqual([]);
      }
    }
  });

  test.each(quantizable)('%s tells of a NaN and an infinity', async (dtype) => {
    using quantizer = nativeQuantizer({ isa })!;
    for (const bad of [NaN, Infinity, -Infinity]) {
      const x = weights.slice(0, 4 * COLUMNS);
      x[COLUMNS + 33] = bad;
      expect(Number.isFinite((await quantizer.quantize(dtype, x, COLUMNS)).error.squares)).toBe(false);
    }
  });
});

function differing(a: Uint8Array, b: Uint8Array): number[] {
  return Array.from(a.keys()).filter((i) => a[i] !== b[i]);
}
