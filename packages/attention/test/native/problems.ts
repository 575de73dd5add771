/** Problems for the native kernels, in f32 and bf16, and their answers as arrays. */
import { random, randomF32 } from '../helpers.ts';
import type { Driver } from '../native.ts';

/** The high halves of the bits. */
export function toBf16(numbers: Float32Array): Uint16Array {
  const bits = new Uint32Array(numbers.slice().buffer);
  const halves = new Uint16Array(bits.length);
  for (let i = 0; i < bits.length; i++) halves[i] = bits[i] >>> 16;
  return halves;
}

export function fromBf16(halves: Uint16Array): Float32Array {
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < bits.length; i++) bits[i] = halves[i] << 16;
  return new Float32Array(bits.buffer);
}

/** One array after another. */
export function concat(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

export interface Shape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly window?: number;
}
export interface Inputs {
  readonly q: Float32Array;
  readonly k: Float32Array;
  readonly v: Float32Array;
  readonly dout: Float32Array;
}

export function makeInputs(T: number, { heads, kvHeads, headDim }: Shape, seed: number, size = 2): Inputs {
  const next = random(seed);
  const [wide, narrow] = [T * heads * headDim, T * kvHeads * headDim];
  return {
    q: randomF32(wide, next, size),
    k: randomF32(narrow, next, size),
    v: randomF32(narrow, next),
    dout: randomF32(wide, next),
  };
}

/** How a problem is run. */
export interface Manner {
  /** Units of work in descending order. */
  readonly reverse?: boolean;
  /** All arrays but the log-sum-exp in bf16: inputs are cut to it, results are given as f32. */
  readonly half?: boolean;
}

/** Cuts an answer into arrays of the given lengths, of bf16 where `halves` says so. */
function cut(answer: Buffer, lengths: readonly number[], halves: readonly boolean[]): Float32Array[] {
  let at = answer.byteOffset;
  const parts = lengths.map((length, i) => {
    const end = at + length * (halves[i] ? 2 : 4);
    const bytes = answer.buffer.slice(at, end);
    at = end;
    return halves[i] ? fromBf16(new Uint16Array(bytes)) : new Float32Array(bytes);
  });
  if (at !== answer.byteOffset + answer.length)
    throw new Error(`driver answered ${answer.length} bytes, expected ${at - answer.byteOffset}`);
  return parts;
}

export function forward(
  driver: Driver,
  { q, k, v }: Inputs,
  shape: Shape,
  segments: Int32Array,
  { reverse = false, half = false }: Manner = {},
): { out: Float32Array; lse: Float32Array } {
  const [T, S] = [segments[segments.length - 1], segments.length - 1];
  const arrays = [...[q, k, v].map((x) => (half ? toBf16(x) : x)), segments];
  const answer = driver.run({ op: 'forward', T, S, ...shape, reverse, half, arrays });
  const [out, lse] = cut(answer, [q.length, T * shape.heads], [half, false]);
  return { out, lse };
}

export function backward(
  driver: Driver,
  inputs: Inputs,
  shape: Shape,
  segments: Int32Array,
  manner: Manner = {},
): Record<'dq' | 'dk' | 'dv', Float32Array> {
  const { q, k, v, dout } = inputs;
  const { reverse = false, half = false } = manner;
  const { out, lse } = forward(driver, inputs, shape, segments, manner);
  const arrays = [...[dout, q, k, v, out].map((x) => (half ? toBf16(x) : x)), lse, segments];
  const [T, S] = [segments[segments.length - 1], segments.length - 1];
  const answer = driver.run({ op: 'backward', T, S, ...shape, reverse, half, arrays });
  const [dq, dk, dv] = cut(answer, [q.length, k.length, v.length], [half, half, half]);
  return { dq, dk, dv };
}

/**
 * Makes something for each example once, for all instruction sets that are tested over it: what the
 * oracle says takes longest.
 */
export function once<Example extends object, T>(make: (example: Example) => T): (example: Example) => T {
  const made = new Map<Example, T>();
  return (example) => {
    if (!made.has(example)) made.set(example, make(example));
    return made.get(example)!;
  };
}
