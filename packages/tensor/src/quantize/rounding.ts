/*
 * Rounding as ggml's quantisers do it: every step is one float32 operation, and whole numbers come
 * from the bits of a sum with 1.5·2²³. Beyond ±2²² that sum no longer holds the number; ggml then
 * keeps 23 bits of what is there, and so does this.
 */

const { fround } = Math;
const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);

/** The nearest whole number, ties to even (ggml `nearest_int`). */
export function nearestInt(value: number): number {
  const shifted = fround(value + 12582912);
  if (value >= -4194303 && value <= 4194303) return shifted - 12582912;
  float[0] = shifted;
  return (bits[0] & 0x007fffff) - 0x00400000;
}

/** C's `roundf`: halves go away from zero. */
export function roundAway(value: number): number {
  const whole = Math.trunc(value);
  return Math.abs(value - whole) >= 0.5 ? whole + Math.sign(value) : whole;
}

/** Σ x² over `n` values from `from`, in order, each product and sum rounded. */
export function sumOfSquares(x: Float32Array, from: number, n: number): number {
  let sum = 0;
  for (let i = from; i < from + n; i++) sum = fround(sum + fround(x[i] * x[i]));
  return sum;
}

/** Stores an IEEE half, little-endian. */
export function putHalf(bytes: Uint8Array, at: number, half: number): void {
  bytes[at] = half & 255;
  bytes[at + 1] = half >> 8;
}
