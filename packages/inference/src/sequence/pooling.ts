import { fail } from '@cria/tensor';

/** How the hidden states of a prompt become one vector. */
export const poolKinds = ['mean', 'last', 'cls'] as const;
export type PoolKind = (typeof poolKinds)[number];

/**
 * Takes hidden states in pieces, in order, and gives their vector. Sums are in double precision, row
 * after row, so that the pieces do not matter.
 */
export class Pooling {
  readonly #kind: PoolKind;
  /** [D] */
  readonly #sum: Float64Array;
  #rows = 0;

  constructor(kind: PoolKind, width: number) {
    this.#kind = kind;
    this.#sum = new Float64Array(width);
  }

  /** The next rows.                                                        hidden: [T, D] */
  add(hidden: Float32Array): void {
    const sum = this.#sum;
    const width = sum.length;
    for (let from = 0; from < hidden.length; from += width, this.#rows++) {
      if (this.#kind === 'cls' && this.#rows > 0) continue;
      const row = hidden.subarray(from, from + width);
      if (this.#kind === 'mean')
        row.forEach((value, i) => (sum[i]! += value)); // as wide as the row
      else sum.set(row);
    }
  }

  /** Throws what was taken away again: the rows come anew. */
  restart(): void {
    this.#sum.fill(0);
    this.#rows = 0;
  }

  /** The vector, divided by its length where it is to be.                  result: [D] */
  finish(normalize: boolean): Float32Array {
    const scale = this.#kind === 'mean' ? 1 / this.#rows : 1;
    const vector = this.#sum.map((value) => value * scale);
    const norm = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
    if (!Number.isFinite(norm))
      fail('embed', `the vector has length ${norm}.`, 'the weights, or the arithmetic they run in, overflow');
    return Float32Array.from(vector, (value) => (normalize && norm > 0 ? value / norm : value));
  }
}
