import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { dequantize, dtypes, quantizable, quantize, type QuantizableDType } from '@cria/tensor';
import { vectorCases } from '../../../scripts/support/vectors.ts';
import { describeFixtures, fixture } from './support/fixtures.ts';
import { COLUMNS, ggmlBlocks, quantizeInput } from './support/quantize-input.ts';

const { weights, importance } = quantizeInput();

function blocksOf(dtype: QuantizableDType, x: Float32Array, columns: number, w?: Float32Array): Uint8Array {
  const { blockSize, blockBytes } = dtypes[dtype];
  const out = new Uint8Array((x.length / blockSize) * blockBytes);
  quantize(dtype, x, columns, out, w);
  return out;
}

describeFixtures('quantization', () => {
  /** Formats for which gguf wrote blocks, too. */
  const written = vectorCases('quantization', '.safetensors').filter(
    (name) => fixture(`quantization/${name}.safetensors`).quantised !== undefined,
  );
  test.each(written)('%s is written bit for bit', (name) => {
    const { input, quantised } = fixture(`quantization/${name}.safetensors`);
    const format = name.toLowerCase() as QuantizableDType;
    expect(blocksOf(format, new Float32Array(input.data), 32)).toEqual(new Uint8Array(quantised.data));
  });
});

describe('block formats by ggml', () => {
  const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

  test('are made from the input that ggml had', () => {
    expect(hash(new Uint8Array(weights.buffer))).toMatch(/^4b498ebaac413e2de3f8/);
  });

  test.each(ggmlBlocks)('%s has the bits of ggml, plain and by importance', (dtype, plain, weighted) => {
    expect(hash(blocksOf(dtype, weights, COLUMNS))).toMatch(new RegExp(`^${plain}`));
    expect(hash(blocksOf(dtype, weights, COLUMNS, importance))).toMatch(new RegExp(`^${weighted}`));
  });
});

describe('quantize', () => {
  test.each(quantizable)('%s comes back near, and nearer where importance says so', (dtype) => {
    const error = (bytes: Uint8Array, weigh: (column: number) => number) => {
      const back = new Float32Array(weights.length);
      dequantize(dtype, bytes, back);
      let [sum, all] = [0, 0];
      for (let i = 0; i < weights.length; i++) {
        const scale = 2 ** -((Math.floor(i / COLUMNS) % 24) - 14); // rows count alike
        sum += weigh(i % COLUMNS) * ((back[i] - weights[i]) * scale) ** 2;
        all += weigh(i % COLUMNS) * (weights[i] * scale) ** 2;
      }
      return Math.sqrt(sum / all);
    };
    const bits = (8 * dtypes[dtype].blockBytes) / dtypes[dtype].blockSize;
    const plain = blocksOf(dtype, weights, COLUMNS);
    expect(error(plain, () => 1)).toBeLessThan(4 * 2 ** -Math.floor(bits - 0.5));
    if (dtype === 'q8_0') return;
    const weighted = blocksOf(dtype, weights, COLUMNS, importance);
    const weigh = (column: number) => importance[column];
    expect(error(weighted, weigh)).toBeLessThan(error(plain, weigh));
  });

  test('refuses what it cannot hold', () => {
    const x = new Float32Array(2 * COLUMNS);
    expect(() => quantize('q3_k' as 'q4_k', x, COLUMNS, new Uint8Array(1))).toThrow('q3_k cannot be written');
    expect(() => quantize('q4_k', x, 128, new Uint8Array(1))).toThrow('multiples of 256');
    expect(() => quantize('q8_0', x, COLUMNS, new Uint8Array(5))).toThrow('need 1088 bytes, not 5');
    expect(() => quantize('q8_0', x, COLUMNS, new Uint8Array(1088), new Float32Array(3))).toThrow(
      'importance of 3 columns',
    );
  });
});
