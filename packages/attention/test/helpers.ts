import { readFileSync } from 'node:fs';
import { vectorCases, vectors } from '../../../scripts/support/vectors.ts';
import type { FloatArray } from '../src/index.ts';

/** Uniform numbers in [−1, 1) from a seed (mulberry32): the same on every machine. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x = (x + Math.imul(x ^ (x >>> 7), x | 61)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 31 - 1;
  };
}

export function randomF32(length: number, next: () => number, size = 1): Float32Array {
  const numbers = new Float32Array(length);
  for (let i = 0; i < length; i++) numbers[i] = size * next();
  return numbers;
}

export function randomF64(length: number, next: () => number, size = 1): Float64Array {
  return Float64Array.from({ length }, () => size * next());
}

/**
 * Largest difference over the largest expected value, or over `floor` if that is more; equal
 * infinities and NaN count as equal.
 */
export function relativeError(actual: FloatArray, expected: FloatArray, floor = 1e-30): number {
  if (actual.length !== expected.length) throw new Error(`lengths ${actual.length} and ${expected.length}`);
  let [difference, size] = [0, floor];
  for (let i = 0; i < actual.length; i++) {
    if (Object.is(actual[i], expected[i])) continue;
    const d = Math.abs(actual[i] - expected[i]);
    if (Number.isNaN(d)) return Infinity;
    difference = Math.max(difference, d);
  }
  for (const x of expected) if (Number.isFinite(x)) size = Math.max(size, Math.abs(x));
  return difference / size;
}

/** The bytes of an array, for comparisons to the last bit. */
export function bits(array: FloatArray): Buffer {
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength);
}

export type Fixture = Record<
  string,
  { readonly shape: readonly number[]; readonly data: Float64Array | Uint8Array }
>;

/** Names of the cases that are there. */
export const fixtures = vectorCases('attention', '.safetensors');

/** Reads a fixture: F64 and U8 tensors of a safetensors file. */
export function readFixture(name: string): Fixture {
  const file = readFileSync(new URL(`attention/${name}.safetensors`, vectors));
  const headerLength = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, 8 + headerLength)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const fixture: Fixture = {};
  for (const [tensor, { dtype, shape, data_offsets: at }] of Object.entries(header)) {
    if (tensor === '__metadata__') continue;
    const bytes = Uint8Array.prototype.slice.call(file, 8 + headerLength + at[0], 8 + headerLength + at[1]);
    if (dtype !== 'F64' && dtype !== 'U8') throw new Error(`${name}: ${tensor} is ${dtype}`);
    fixture[tensor] = { shape, data: dtype === 'F64' ? new Float64Array(bytes.buffer) : bytes };
  }
  return fixture;
}
