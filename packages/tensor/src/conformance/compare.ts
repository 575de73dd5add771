import type { ComputeDType } from '../dtype.ts';
import type { Kernels } from '../kernels.ts';
import { rounder } from '../reference/memory.ts';
import { numbersOf, type Result, type Results } from './bench.ts';
import { sameBytes } from './same-bytes.ts';
import { toleranceOf } from './tolerances.ts';

/** Throws where a result lies too far from the oracle's. Elements that are not finite must be the same. */
export function expectClose(
  kernel: keyof Kernels,
  dtype: ComputeDType,
  got: Results,
  want: Results,
  where: string,
): void {
  for (const name of Object.keys(want)) {
    const { tolerance, floor } = toleranceOf(kernel, name, dtype);
    const [actual, exact] = [numbersOf(got[name]), numbersOf(want[name])];
    const scale = exact.reduce(
      (max, value) => (Number.isFinite(value) ? Math.max(max, Math.abs(value)) : max),
      floor,
    );
    for (let i = 0; i < exact.length; i++) {
      const near = Number.isFinite(exact[i])
        ? Math.abs(actual[i] - exact[i]) <= tolerance * scale
        : Object.is(actual[i], exact[i]);
      if (near) continue;
      refuse(
        where,
        name,
        want[name],
        i,
        `is ${actual[i]}, exactly ${exact[i]}; allowed ${tolerance} of ${scale}`,
      );
    }
  }
}

/** Throws where a result is not the oracle's, rounded once. */
export function expectRounded(got: Results, want: Results, where: string): void {
  for (const name of Object.keys(want)) {
    const round = rounder(got[name].dtype === 'i32' ? 'f64' : got[name].dtype);
    const [actual, exact] = [numbersOf(got[name]), numbersOf(want[name])];
    const i = exact.findIndex(
      (value, at) => round(value) !== actual[at] && !(Number.isNaN(value) && Number.isNaN(actual[at])),
    );
    if (i >= 0) refuse(where, name, want[name], i, `is ${actual[i]}, not ${round(exact[i])}`);
  }
}

/** Throws where two results differ in one bit. */
export function expectSameBits(got: Results, want: Results, where: string): void {
  for (const name of Object.keys(want)) {
    const { bytes } = want[name];
    if (sameBytes(bytes, got[name].bytes)) continue;
    const first = bytes.findIndex((byte, at) => byte !== got[name].bytes[at]);
    const [actual, expected] = [numbersOf(got[name]), numbersOf(want[name])];
    const i = Math.floor((first * expected.length) / bytes.length);
    refuse(where, name, want[name], i, `is ${actual[i]}, not ${expected[i]} bit for bit`);
  }
}

function refuse(where: string, name: string, { shape }: Result, i: number, what: string): never {
  const columns = shape.at(-1) ?? 1;
  const place = shape.length < 2 ? `${i}` : `${Math.floor(i / columns)}, ${i % columns}`;
  throw new Error(`${where}: ${name}[${place}] ${what}`);
}
