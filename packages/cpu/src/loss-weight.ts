import { dtypes, type Tensor } from '@cria/tensor';
import type { Place } from './command-list.ts';
import type { Encoder } from './encoder.ts';
import { ours, pack, type Product, product } from './linear.ts';
import { fromColumn, type Matrix, matrix, type Numbers, packedBytes, rowsFrom } from './matrix.ts';
import { liesPlain, madeType, unpack } from './unpack.ts';

/**
 * A weight whose packed copies are larger than this is packed part by part for every block of rows:
 * some hundredth of a training step, for a scratch that does not grow with the model.
 */
const MOST_WHOLE = 40 << 20;
export const MOST_PART = 16 << 20;

/** The weight as the right factor of a product, packed as a whole or a part of its columns at a time. */
interface Factor {
  /** `across`: [V, D] for logits, `along` for dx. */
  readonly as: 'across' | 'along';
  readonly place: Place;
  readonly columns: number;
  readonly k: number;
  /** Columns of a part. */
  readonly part: number;
}

/** Bytes of the scratch that a weight takes. */
export interface WeightScratch {
  readonly first: number;
  readonly second: number;
  readonly made: number;
}

/**
 * The output weight [V, D] of a loss as both products take it: logits = x·wᵀ and dx = p·w. A packed
 * or quantised one is made numbers again on the way, part by part, in the type that its plain form
 * multiplies in: the bits are those of that.
 */
export class LossWeight {
  readonly scratch: WeightScratch;
  /** Whether it is packed as a whole, once for all blocks of rows. */
  readonly whole: boolean;
  readonly #encoder: Encoder;
  readonly #unit: Numbers;
  readonly #w: Tensor;
  readonly #parts: { readonly across: number; readonly along: number };
  readonly #backward: boolean;
  #factors: { readonly across: Factor; readonly along: Factor } | undefined;
  #made: Place | undefined;

  /** `backward`: dx is wanted too. */
  constructor(encoder: Encoder, w: Tensor, unit: Numbers, backward: boolean) {
    const [V, D] = [w.rows, w.columns];
    const lies = liesPlain(w);
    this.#encoder = encoder;
    this.#unit = unit;
    this.#w = w.layout === 'plain' ? w : ours(encoder, w);
    this.#backward = backward;
    this.whole = packedBytes(encoder, unit, V, D) <= (lies ? MOST_WHOLE : MOST_PART);
    const panel = encoder.panel;
    const block = Math.max(panel, dtypes[w.dtype].blockSize);
    const [across, along] = this.whole
      ? [V, D]
      : [partOf(encoder, unit, V, D, panel), partOf(encoder, unit, D, V, block)];
    this.#parts = { across, along };
    // Parts take turns in one place; whole factors have one each.
    const [first, second] = [packedBytes(encoder, unit, across, D), packedBytes(encoder, unit, along, V)];
    const bytes = madeType(w, unit) === 'f32' ? 4 : 2;
    this.scratch = {
      first: this.whole || !backward ? first : Math.max(first, second),
      second: this.whole && backward ? second : 0,
      made: lies ? 0 : bytes * Math.max(across * D, backward ? along * V : 0),
    };
  }

  /** Takes the scratch that it asked for. */
  begin(first: Place, second: Place, made: Place): void {
    const [V, D] = [this.#w.rows, this.#w.columns];
    const { across, along } = this.#parts;
    this.#made = made;
    this.#factors = {
      across: { as: 'across', place: first, columns: V, k: D, part: across },
      along: { as: 'along', place: this.whole ? second : first, columns: D, k: V, part: along },
    };
    if (!this.whole) return;
    this.#pack(this.#factors.across, 0);
    if (this.#backward) this.#pack(this.#factors.along, 0);
  }

  /** c = a·b, b the weight across or along, part by part of the columns; the bits are those of one product. */
  product(c: Matrix, a: Product['a'], as: Factor['as'], rows: number): void {
    const b = this.#factors![as]; // `begin` came before
    for (let first = 0; first < b.columns; first += b.part) {
      if (!this.whole) this.#pack(b, first);
      product(this.#encoder, {
        c: fromColumn(c, first),
        a,
        b: { place: b.place, stride: 0, as: 'packed' },
        rows,
        columns: Math.min(b.part, b.columns - first),
        k: b.k,
        unit: this.#unit,
      });
    }
  }

  /** Packs the part that begins at this column: a row of the weight across, a column of it along. */
  #pack(factor: Factor, first: number): void {
    const { as, place, columns, k, part } = factor;
    const count = Math.min(part, columns - first);
    const from = liesPlain(this.#w)
      ? fromLine(matrix(this.#w), as, first)
      : this.#numbers(factor, first, count);
    pack(this.#encoder, place, { ...from, as }, this.#unit, count, k);
  }

  /** Numbers of a part, of a weight that has none as it lies. */
  #numbers({ as, k }: Factor, first: number, count: number): Matrix {
    const box =
      as === 'across'
        ? { firstRow: first, rows: count, firstColumn: 0, columns: k }
        : { firstRow: 0, rows: k, firstColumn: first, columns: count };
    const dtype = madeType(this.#w, this.#unit);
    const to: Matrix = { place: this.#made!, stride: box.columns, dtype }; // `begin` came before
    unpack(this.#encoder, this.#w, box, to);
    return to;
  }
}

/** The weight from a row of it on, or from a column. */
function fromLine(w: Matrix, as: Factor['as'], first: number): Matrix {
  return as === 'across' ? rowsFrom(w, first) : fromColumn(w, first);
}

/** Columns of a factor of depth k in parts of one size that fit the bound: whole steps. */
function partOf(encoder: Encoder, unit: Numbers, columns: number, k: number, step: number): number {
  const steps = Math.ceil(columns / step);
  const fit = Math.max(1, Math.floor(MOST_PART / packedBytes(encoder, unit, step, k)));
  return step * Math.ceil(steps / Math.ceil(steps / fit));
}
