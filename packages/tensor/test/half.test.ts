import { expect, test } from 'vitest';
import { bf16ToNumber, f16ToNumber, numberToBf16, numberToF16, reference } from '@cria/tensor';

const ALL = Uint16Array.from({ length: 65536 }, (_, i) => i);

/** Nearest of two neighbouring halves, ties to the even one: by definition, not by bits. */
function nearest(value: number, below: number, above: number, decode: (bits: number) => number): number {
  const [down, up] = [value - decode(below), decode(above) - value];
  if (down === up) return below % 2 === 0 ? below : above;
  return down < up ? below : above;
}

const formats = {
  f16: { encode: numberToF16, decode: f16ToNumber, largest: 0x7bff, infinity: 0x7c00 },
  bf16: { encode: numberToBf16, decode: bf16ToNumber, largest: 0x7f7f, infinity: 0x7f80 },
};

test.each(Object.entries(formats))('%s: every bit pattern comes back', (_, { encode, decode, infinity }) => {
  for (const bits of ALL) {
    const isNaN = (bits & 0x7fff) > infinity;
    if (isNaN) {
      expect(decode(bits)).toBeNaN();
      expect(encode(decode(bits)) & 0x7fff).toBeGreaterThan(infinity);
    } else if (encode(decode(bits)) !== bits) {
      expect.fail(`${bits.toString(16)} is ${decode(bits)}, which is ${encode(decode(bits)).toString(16)}`);
    }
  }
});

test.each(Object.entries(formats))(
  '%s: numbers between neighbours go to the nearer, ties to even',
  (_, format) => {
    const { encode, decode, largest } = format;
    for (let below = 0; below < largest; below++) {
      const [a, b] = [decode(below), decode(below + 1)];
      for (const part of [0.25, 0.5, 0.75]) {
        const value = a + (b - a) * part;
        if (Math.fround(value) !== value) continue; // the encoders go through f32
        const expected = nearest(value, below, below + 1, decode);
        if (encode(value) !== expected || encode(-value) !== (expected | 0x8000))
          expect.fail(`${value} is ${encode(value)}, not ${expected}`);
      }
    }
  },
);

test('known values', () => {
  expect([0, -0, 1, -2, 65504, 65519, 65520, Infinity, 2 ** -24, 2 ** -25, 6.1e-5].map(numberToF16)).toEqual([
    0, 0x8000, 0x3c00, 0xc000, 0x7bff, 0x7bff, 0x7c00, 0x7c00, 1, 0, 0x03ff,
  ]);
  expect([0, -0, 1, -2, 3.4e38, -Infinity, 1 + 2 ** -8, 1 + 3 * 2 ** -8].map(numberToBf16)).toEqual([
    0, 0x8000, 0x3f80, 0xc000, 0x7f80, 0xff80, 0x3f80, 0x3f82,
  ]);
});

test('tensors convert numbers, and take typed bits as they are', async () => {
  using device = reference();
  for (const dtype of ['f16', 'bf16'] as const) {
    const x = device.tensor([1.5, -2, 0.1], [3], dtype);
    expect(await x.read()).toEqual(Uint16Array.from([1.5, -2, 0.1], formats[dtype].encode));
    expect((await x.toFloat32())[1]).toBe(-2);
    x.write(Uint16Array.of(0x3c00, 0x3f80, 0));
    expect(await x.read()).toEqual(Uint16Array.of(0x3c00, 0x3f80, 0));
  }
});
