import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { cpuAvailability, nativeQuantizer } from '@cria/cpu';
import { dequantize, quantizable, quantize } from '@cria/tensor';
import { COLUMNS, ggmlBlocks, quantizeInput } from '../../tensor/test/support/quantize-input.ts';

const { weights, importance } = quantizeInput();
const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex').slice(0, 16);

describe.skipIf(!cpuAvailability().available).each(cpuAvailability().isas)('quantisers of %s', (isa) => {
  test.each(ggmlBlocks)(
    '%s has the bits of ggml, plain and by importance',
    async (dtype, plain, weighted) => {
      using quantizer = nativeQuantizer({ isa, threads: 2 })!;
      const [first, second] = await Promise.all([
        quantizer.quantize(dtype, weights, COLUMNS),
        quantizer.quantize(dtype, weights, COLUMNS, importance),
      ]);
      expect(hash(first.blocks)).toBe(plain);
      expect(hash(second.blocks)).toBe(weighted);
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
