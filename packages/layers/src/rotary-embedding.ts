import { accumulatorDType, type Device, type RopePairing, type Step, type Tensor } from '@cria/tensor';
import { inverseFrequencies } from './rope-frequencies.ts';
import { ropeAttentionFactor, type RopeScaling } from './rope-scaling.ts';

export interface RotaryOptions {
  readonly device: Device;
  /** E, even. */
  readonly headDim: number;
  /** Default 10000. */
  readonly theta?: number;
  readonly scaling?: RopeScaling | undefined;
  /** Which elements of a head turn together; default `adjacent`, as in Meta's weights. */
  readonly pairing?: RopePairing;
}

/** Rows that are computed and written at a time. */
const PIECE = 1024;

/**
 * Rotates pair j of every head by the angle position · θ^(−2j/E) (Su et al. 2021). The table of
 * cosines and sines reaches as far as the positions that were seen, in powers of two, so that a
 * long context costs nothing until it is used.
 */
export class RotaryEmbedding {
  readonly device: Device;
  readonly headDim: number;
  readonly pairing: RopePairing;
  /** Of a text that ends at a position; the same array wherever the text's length does not matter. */
  readonly #frequencies: (position: number) => Float64Array;
  readonly #magnitude: number;
  readonly #tables = new Map<'f32' | 'f64', Tensor>();

  constructor(options: RotaryOptions) {
    const { device, headDim, theta = 10000, scaling, pairing = 'adjacent' } = options;
    this.device = device;
    this.headDim = headDim;
    this.pairing = pairing;
    this.#magnitude = ropeAttentionFactor(scaling);
    const usual = inverseFrequencies(headDim, theta, scaling);
    this.#frequencies =
      scaling?.type === 'dynamic'
        ? (position) => inverseFrequencies(headDim, theta, scaling, position)
        : () => usual;
  }

  /** x turned in place by the positions of the step.                     x: [T, heads·E] */
  rotate(x: Tensor, step: Step, heads: number): void {
    this.#turn(x, step, heads, false);
  }

  /** Gradient of `rotate`, in place: dx turned back. */
  rotateBack(dx: Tensor, step: Step, heads: number): void {
    this.#turn(dx, step, heads, true);
  }

  /** Makes the table that the positions of a step need, which is written from the host. */
  reach(step: Step): void {
    this.#table(step.maxPosition + 1, accumulatorDType(step.dtype));
  }

  /** Gives the tables back. */
  free(): void {
    for (const table of this.#tables.values()) this.device.free(table.storage);
    this.#tables.clear();
  }

  #turn(x: Tensor, step: Step, heads: number, inverse: boolean): void {
    const { positions, maxPosition } = step;
    const table = this.#table(maxPosition + 1, accumulatorDType(step.dtype));
    this.device.kernels.rope(x, x, positions, table, { heads, pairing: this.pairing, inverse });
  }

  /** cos, sin of pair 0, cos, sin of pair 1, … a row: [P, E] with P at least `positions`. */
  #table(positions: number, dtype: 'f32' | 'f64'): Tensor {
    const old = this.#tables.get(dtype);
    if (old && old.rows >= positions) return old;
    const table = this.device.empty([tableRows(positions), this.headDim], dtype);
    for (let start = 0; start < table.rows; start += PIECE) {
      const end = Math.min(start + PIECE, table.rows);
      table.slice(start, end).write(this.#rows(start, end, dtype));
    }
    this.#tables.set(dtype, table);
    if (old) this.device.free(old.storage);
    return table;
  }

  /**
   * In f32 the angle is the rounded product of position and rounded frequency, as in Meta's code,
   * and the factor of the scaling meets rounded cosines and sines, as in transformers'; in f64 all
   * is double.
   */
  #rows(start: number, end: number, dtype: 'f32' | 'f64'): Float64Array | Float32Array {
    const rounded = dtype === 'f32';
    const rows = new (rounded ? Float32Array : Float64Array)((end - start) * this.headDim);
    const round = rounded ? Math.fround : (value: number) => value;
    const magnitude = this.#magnitude;
    let at = 0;
    let frequencies: Float64Array = new Float64Array();
    let used: Float64Array | Float32Array = frequencies;
    for (let position = start; position < end; position++) {
      const own = this.#frequencies(position);
      if (own !== frequencies) [frequencies, used] = [own, rounded ? Float32Array.from(own) : own];
      for (const frequency of used) {
        const angle = round(position * frequency);
        const [cosine, sine] = [Math.cos(angle), Math.sin(angle)];
        rows[at++] = magnitude === 1 ? cosine : round(cosine) * magnitude;
        rows[at++] = magnitude === 1 ? sine : round(sine) * magnitude;
      }
    }
    return rows;
  }
}

/** Rows of a table that must hold so many positions. */
export function tableRows(positions: number): number {
  return Math.max(64, 2 ** Math.ceil(Math.log2(positions)));
}
