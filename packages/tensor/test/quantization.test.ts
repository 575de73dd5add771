import { expect, test } from 'vitest';
import {
  bf16ToNumber,
  dequantize,
  type DType,
  dtypes,
  f16ToNumber,
  numberToBf16,
  numberToF16,
  reference,
} from '@cria/tensor';
import { vectorCases } from '../../../scripts/support/vectors.ts';
import { describeFixtures, fixture } from './support/fixtures.ts';

/** Every block format whose vectors are there. */
const formats = vectorCases('quantization', '.safetensors')
  .map((name) => name.toLowerCase())
  .filter((name): name is DType => name in dtypes && dtypes[name as DType].blockSize > 1);

describeFixtures('quantization', () => {
  test.each(formats)('%s is equal bit for bit', (format) => {
    const { blocks, values } = fixture(`quantization/${format.toUpperCase()}.safetensors`);
    const out = new Float32Array(values.data.length);
    dequantize(format, new Uint8Array(blocks.data), out);
    expect(new Uint32Array(out.buffer)).toEqual(new Uint32Array(new Float32Array(values.data).buffer));
  });

  test('linear with a quantised weight is linear with its values', async () => {
    const device = reference();
    for (const format of formats) {
      const { blocks, values } = fixture(`quantization/${format.toUpperCase()}.safetensors`);
      const { blockSize, blockBytes } = dtypes[format];
      const C = 2 * blockSize;
      const N = 5;
      const bytes = new Uint8Array(blocks.data).subarray(8 * blockBytes, (8 + 2 * N) * blockBytes);
      const exact = Float64Array.from(values.data.subarray(8 * blockSize, (8 + 2 * N) * blockSize));
      const w = device.tensor(bytes, [N, C], format);
      const x = device.tensor(
        Float64Array.from({ length: 3 * C }, (_, i) => ((i * 7) % 11) - 5),
        [3, C],
        'f64',
      );
      const [quantised, plain] = [device.empty([3, N], 'f64'), device.empty([3, N], 'f64')];
      device.kernels.linear(quantised, x, w);
      device.kernels.linear(plain, x, device.tensor(exact, [N, C], 'f64'));
      expect(await quantised.read(), format).toEqual(await plain.read());
    }
  });

  test('half precision by torch', () => {
    const { input, f16_bits, bf16_bits, f16_values, bf16_values } = fixture('quantization/half.safetensors');
    expect(Uint16Array.from(input.data, numberToF16)).toEqual(f16_bits.data);
    expect(Uint16Array.from(input.data, numberToBf16)).toEqual(bf16_bits.data);
    if (f16_values) expect(Float32Array.from(f16_bits.data, f16ToNumber)).toEqual(f16_values.data);
    if (bf16_values) expect(Float32Array.from(bf16_bits.data, bf16ToNumber)).toEqual(bf16_values.data);
  });
});

/**
 * One block each, worked out by hand from the layout: d = 0.5 and m = 0.25 as halves, distinct
 * nibbles and high bits.
 */
test('block formats by hand', () => {
  const decode = (format: DType, bytes: number[]) => {
    const { blockSize, blockBytes } = dtypes[format];
    const out = new Float32Array(blockSize);
    dequantize(
      format,
      Uint8Array.from({ length: blockBytes }, (_, i) => bytes[i] ?? 0),
      out,
    );
    return out;
  };
  const d = [0x00, 0x38];
  const m = [0x00, 0x34];
  expect(decode('q8_0', [...d, 3, 255])).toSatisfy(
    (x: Float32Array) => x[0] === 1.5 && x[1] === -0.5 && x[2] === 0,
  );
  expect(decode('q4_0', [...d, 0x9a])).toSatisfy(
    (x: Float32Array) => x[0] === 1 && x[16] === 0.5 && x[1] === -4,
  );
  expect(decode('q4_1', [...d, ...m, 0x9a])).toSatisfy(
    (x: Float32Array) => x[0] === 5.25 && x[16] === 4.75 && x[1] === 0.25,
  );
  expect(decode('q5_0', [...d, 1, 0, 0, 0, 0x21])).toSatisfy(
    (x: Float32Array) => x[0] === 0.5 && x[16] === -7,
  );
  expect(decode('q5_1', [...d, ...m, 0, 0, 1, 0, 0x21])).toSatisfy(
    (x: Float32Array) => x[0] === 0.75 && x[16] === 9.25,
  );
  // Sub-block 5's six-bit scale: low four bits in byte 9, high two at the top of byte 1.
  const q4k = decode('q4_k', [
    ...d,
    ...m,
    0,
    0x40,
    0,
    0,
    0,
    0x80,
    0,
    0,
    0,
    0x21,
    0,
    0,
    ...Array<number>(64).fill(0),
    0x30,
  ]);
  expect([q4k[128], q4k[160], q4k[161]]).toEqual([0, 0.5 * 17 * 3 - 0.25 * 34, -0.25 * 34]);
});

test('dequantize refuses what does not fit', () => {
  expect(() => dequantize('f32', new Uint8Array(4), new Float32Array(1))).toThrow(
    '[dequantize] f32 is not a block format.',
  );
  expect(() => dequantize('q8_0', new Uint8Array(35), new Float32Array(32))).toThrow(
    '35 bytes of q8_0 do not hold 32 weights',
  );
});
