import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cpuAvailability, nativeQuantizer } from '@cria/cpu';
import {
  bf16ToNumber,
  dequantize,
  f16ToNumber,
  numberToBf16,
  numberToF16,
  quantizable,
  quantize,
} from '@cria/tensor';

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

  test('numbers in a file, of each type and in either order of rows: the bits of those in memory', async () => {
    using quantizer = nativeQuantizer({ isa, threads: 2 })!;
    const file = join(mkdtempSync(join(tmpdir(), 'cria-quantize-')), 'weights');
    const HEAD = 6;
    for (const [source, narrow, widen] of sources) {
      const stored = narrow(weights);
      writeFileSync(file, new Uint8Array(100)); // the numbers begin at an odd place
      appendFileSync(file, new Uint8Array(stored.buffer));
      const exact = Float32Array.from(stored, widen);
      for (const halfSplit of [undefined, HEAD]) {
        const place = { file, offset: 100, elements: exact.length, dtype: source, halfSplit };
        const x = halfSplit === undefined ? exact : inPairs(exact, HEAD);
        for (const dtype of ['q8_0', 'q4_0', 'q4_k'] as const) {
          for (const weigh of [undefined, importance]) {
            const expected = await quantizer.quantize(dtype, x, COLUMNS, weigh);
            const found = await quantizer.quantizeFile(dtype, place, COLUMNS, weigh);
            expect(differing(found.blocks, expected.blocks), `${source} ${halfSplit} ${dtype}`).toEqual([]);
            expect(found.error.squares / expected.error.squares).toBeCloseTo(1, 5);
            expect(found.error.largest).toBe(expected.error.largest);
          }
        }
      }
    }
    const place = { file, offset: 200, elements: weights.length, dtype: 'f16' } as const;
    await expect(quantizer.quantizeFile('q8_0', place, COLUMNS)).rejects.toThrow(
      /cannot read bytes 200 to \d+ of .*it is shorter/,
    );
    const misfit = { ...place, offset: 100, halfSplit: 7 };
    expect(() => quantizer.quantizeFile('q8_0', misfit, COLUMNS)).toThrow(/no whole heads of 7/);
    rmSync(dirname(file), { recursive: true });
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

/** Stored types: how numbers are narrowed to them, and one of them widened. */
const sources = [
  ['f32', (x: Float32Array) => x, (value: number) => value],
  ['bf16', (x: Float32Array) => Uint16Array.from(x, numberToBf16), bf16ToNumber],
  ['f16', (x: Float32Array) => Uint16Array.from(x, numberToF16), f16ToNumber],
] as const;

/** Rows of heads from Hugging Face's order (j, j + head/2) to Meta's (2j, 2j + 1). */
function inPairs(x: Float32Array, head: number): Float32Array {
  const out = new Float32Array(x.length);
  for (let row = 0; row < ROWS; row++) {
    const j = row % head;
    const to = row - j + (j < head / 2 ? 2 * j : 2 * (j - head / 2) + 1);
    out.set(x.subarray(row * COLUMNS, (row + 1) * COLUMNS), to * COLUMNS);
  }
  return out;
}

function differing(a: Uint8Array, b: Uint8Array): number[] {
  return Array.from(a.keys()).filter((i) => a[i] !== b[i]);
}
