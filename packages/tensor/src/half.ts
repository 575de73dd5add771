const f32 = new Float32Array(1);
const u32 = new Uint32Array(f32.buffer);

/** The float whose upper half these 16 bits are. */
export function bf16ToNumber(bits: number): number {
  u32[0] = bits << 16;
  return f32[0];
}

/** Round to nearest, ties to even; NaN stays a quiet NaN with its sign. */
export function numberToBf16(value: number): number {
  f32[0] = value;
  const bits = u32[0];
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

/** IEEE half precision to number, subnormals and infinities included. */
export function f16ToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 31;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** Round to nearest, ties to even, through float32; overflow goes to infinity. */
export function numberToF16(value: number): number {
  f32[0] = value;
  const bits = u32[0];
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Subnormal half: scaling by 2^24 makes its unit 1, and the sum with 2^23 rounds to an integer, ties to even.
    f32[0] = Math.abs(f32[0]) * 2 ** 24 + 2 ** 23;
    return sign | (u32[0] & 0x7fffff);
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
  return sign | ((rounded - 0x38000000) >>> 13);
}
