import type { DType } from '@cria/tensor';

/** How many values of a weight are NaN or infinite, in the file and after its type was changed. */
export interface NotFinite {
  readonly before: number;
  readonly after: number;
}

/** Told about a weight that has such values where its type is changed. */
export interface NotFiniteReport extends NotFinite {
  /** Canonical name. */
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly elements: number;
}

/**
 * A report in words:
 * `layers.0.feed_forward.w1.weight: 1 of 128 values are NaN or infinite as f32, 2 as f16`.
 */
export function describeNotFinite({ name, from, to, elements, before, after }: NotFiniteReport): string {
  const hint = after > before && to === 'f16' ? '. hint: bf16 has the range of f32' : '';
  return `${name}: ${before} of ${elements} values are NaN or infinite as ${from}, ${after} as ${to}${hint}`;
}

/**
 * The least magnitudes that round to infinity: halfway from the largest number to the next power of
 * two (ties go there, too).
 */
const overflow: Partial<Record<DType, number>> = {
  f16: 65_520,
  bf16: (2 - 2 ** -8) * 2 ** 127,
  f32: (2 - 2 ** -24) * 2 ** 127,
};

/**
 * Counts among numbers that are about to become elements of type `to`. Blocks scale, so only their
 * sources are told.
 */
export function countNotFinite(numbers: ArrayLike<number>, to: DType): NotFinite {
  const limit = overflow[to] ?? Infinity;
  let before = 0;
  let after = 0;
  for (let i = 0; i < numbers.length; i++) {
    const size = Math.abs(numbers[i] ?? 0);
    if (size < limit) continue; // not so for NaN
    after++;
    if (!(size < Infinity)) before++;
  }
  return { before, after };
}
