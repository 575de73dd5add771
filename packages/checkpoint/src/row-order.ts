/*
 * Row order of wq and wk. Meta pairs adjacent rows of a head (2j, 2j+1), Hugging Face the halves
 * (j, j + E/2): Meta row 2j + i of a head of E rows is Hugging Face row i·E/2 + j, i ∈ {0, 1}, 0 ≤
 * j < E/2.
 */

/** Numbers in what is put in order: a row of a matrix, one number of a bias. */
export function rowLengthOf(shape: readonly number[]): number {
  return shape.length < 2 ? 1 : (shape.at(-1) ?? 1);
}

/** Rows of whole heads from Meta's order to Hugging Face's. `rowBytes` bytes a row; a copy. */
export function toHalfSplit(bytes: Uint8Array, rowBytes: number, headDim: number): Uint8Array {
  return permuteRows(bytes, rowBytes, headDim, (meta, half) => [half, meta]);
}

/** Rows of whole heads from Hugging Face's order to Meta's; undoes `toHalfSplit`. */
export function toAdjacent(bytes: Uint8Array, rowBytes: number, headDim: number): Uint8Array {
  return permuteRows(bytes, rowBytes, headDim, (meta, half) => [meta, half]);
}

function permuteRows(
  bytes: Uint8Array,
  rowBytes: number,
  headDim: number,
  direction: (meta: number, half: number) => readonly [to: number, from: number],
): Uint8Array {
  const out = new Uint8Array(bytes.length);
  const rows = bytes.length / rowBytes;
  for (let head = 0; head < rows; head += headDim) {
    for (let row = 0; row < headDim; row++) {
      const [to, from] = direction(row, (row % 2) * (headDim / 2) + (row >> 1));
      out.set(bytes.subarray((head + from) * rowBytes, (head + from + 1) * rowBytes), (head + to) * rowBytes);
    }
  }
  return out;
}
