import { dtypes } from '../dtype.ts';
import { fail } from '../errors.ts';
import { q45_k, q6_k } from './k-blocks.ts';
import { affine, q8_0, symmetric, weightedRow } from './simple.ts';

/** Block formats that can be written; Q2_K, Q3_K, IQ4_NL and IQ4_XS are read only. */
export const quantizable = ['q8_0', 'q4_0', 'q4_1', 'q5_0', 'q5_1', 'q4_k', 'q5_k', 'q6_k'] as const;
export type QuantizableDType = (typeof quantizable)[number];

/** Encodes one block at `at` to `out` from `to`. */
type Encode = (
  x: Float32Array,
  at: number,
  out: Uint8Array,
  to: number,
  importance?: Float32Array,
  importanceAt?: number,
) => void;

const encoders: Record<QuantizableDType, Encode> = {
  q8_0,
  q4_0: (x, at, out, to) => symmetric(8, x, at, out, to),
  q5_0: (x, at, out, to) => symmetric(16, x, at, out, to),
  q4_1: (x, at, out, to) => affine(15, x, at, out, to),
  q5_1: (x, at, out, to) => affine(31, x, at, out, to),
  q4_k: (x, at, out, to, importance, from) => q45_k(15, x, at, out, to, importance, from),
  q5_k: (x, at, out, to, importance, from) => q45_k(31, x, at, out, to, importance, from),
  q6_k,
};

/**
 * Encodes rows of float32 in a GGUF block format, as ggml's reference quantisers do.
 *   x: [rows, columns]   out: bytes of rows · columns weights
 *   importance: [columns], mean squared activation of each input, or none
 * Q8_0 takes no notice of importance. Throws where `dtype` cannot be written or lengths do not fit;
 * values must be finite.
 */
export function quantize(
  dtype: QuantizableDType,
  x: Float32Array,
  columns: number,
  out: Uint8Array,
  importance?: Float32Array,
): void {
  if (!quantizable.includes(dtype))
    fail('quantize', `${String(dtype)} cannot be written.`, `known are ${quantizable.join(', ')}`);
  const { blockSize, blockBytes } = dtypes[dtype];
  const rows = x.length / columns;
  if (!(columns > 0 && columns % blockSize === 0 && Number.isInteger(rows)))
    fail(
      'quantize',
      `${x.length} weights in rows of ${columns} are no whole blocks of ${dtype}.`,
      `rows must be multiples of ${blockSize}`,
    );
  const rowBytes = (columns / blockSize) * blockBytes;
  if (out.length !== rows * rowBytes)
    fail('quantize', `${x.length} weights of ${dtype} need ${rows * rowBytes} bytes, not ${out.length}.`);
  if (importance && importance.length !== columns)
    fail('quantize', `importance of ${importance.length} columns for rows of ${columns}.`);
  const encode = encoders[dtype];
  for (let row = 0; row < rows; row++) {
    const at = row * columns;
    const to = row * rowBytes;
    if (importance && (dtype === 'q4_0' || dtype === 'q4_1' || dtype === 'q5_0' || dtype === 'q5_1')) {
      weightedRow(dtype, x, at, columns, importance, out, to);
      continue;
    }
    for (let block = 0; block < columns / blockSize; block++)
      encode(x, at + block * blockSize, out, to + block * blockBytes, importance, block * blockSize);
  }
}
