import { normals, type Tensor } from '@cria/tensor';
import { expect } from 'vitest';

/** N(0, std²) from a seed, rounded to float32 so that every device can hold them exactly. */
export function randomArray(length: number, seed: number, std = 1): Float64Array {
  const values = new Float64Array(length);
  normals({ seed, stream: 77, start: 0, std }, values);
  return values.map(Math.fround);
}

/** Whole numbers in [0, below). */
export function randomIds(length: number, seed: number, below: number): Int32Array {
  return Int32Array.from(randomArray(length, seed), (value) => Math.floor(Math.abs(value) * 7919) % below);
}

/** Largest difference over the largest expected value. */
export function relativeDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  let [difference, size] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!);
    difference = Number.isNaN(error) ? Infinity : Math.max(difference, error);
    size = Math.max(size, Math.abs(expected[i]!));
  }
  return difference === 0 ? 0 : difference / size;
}

export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what: string,
): void {
  expect(relativeDifference(actual, expected), what).toBeLessThan(tolerance);
}

/** (f(x + h) − f(x − h)) / 2h at one element of an array, which is left as it was. */
export async function centralDifference(
  values: Float64Array,
  index: number,
  f: () => number | Promise<number>,
  h = 1e-5,
): Promise<number> {
  const before = values[index]!;
  values[index] = before + h;
  const up = await f();
  values[index] = before - h;
  const down = await f();
  values[index] = before;
  return (up - down) / (2 * h);
}

export function sum(values: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i]!;
  return total;
}

/** Elements as plain numbers. */
export async function numbersOf(tensor: Tensor): Promise<number[]> {
  return Array.from(await tensor.read());
}
