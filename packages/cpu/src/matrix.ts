import { refuseWeight, type Tensor } from '@cria/tensor';
import type { Place } from './command-list.ts';
import type { Encoder } from './encoder.ts';

/** Float types that products read and write. */
export type Numbers = 'f32' | 'bf16' | 'f16';

export interface Matrix {
  readonly place: Place;
  /** Elements from row to row. */
  readonly stride: number;
  /** Default f32. */
  readonly dtype?: Numbers;
}

/** A right factor that is made in scratch memory, in place of the one before it. */
export interface Made {
  readonly bytes: number;
  readonly into: (place: Place) => void;
}

/** The float type of a tensor that products take. */
export function numbers(tensor: Tensor): Numbers {
  const { dtype } = tensor;
  if (dtype !== 'f32' && dtype !== 'bf16' && dtype !== 'f16') refuseWeight('cpu', tensor);
  return dtype;
}

/** A matrix from column `first` on. */
export function fromColumn(matrix: Matrix, first: number): Matrix {
  return elementsOn(matrix, first);
}

/** A matrix from row `first` on. */
export function rowsFrom(matrix: Matrix, first: number): Matrix {
  return elementsOn(matrix, first * matrix.stride);
}

function elementsOn(matrix: Matrix, elements: number): Matrix {
  const bytes = (matrix.dtype ?? 'f32') === 'f32' ? 4 : 2;
  const { storage, offset } = matrix.place;
  return { ...matrix, place: { storage, offset: offset + bytes * elements } };
}

export function matrix(tensor: Tensor): Matrix {
  if (tensor.layout !== 'plain') refuseWeight('cpu', tensor);
  return { place: tensor, stride: tensor.columns, dtype: numbers(tensor) };
}

/** Bytes of panels that hold `columns` columns of length k; halves may be stored in pairs along k. */
export function packedBytes(
  { panel }: Pick<Encoder, 'panel'>,
  unit: Numbers,
  columns: number,
  k: number,
): number {
  return Math.ceil(columns / panel) * panel * (unit === 'f32' ? 4 * k : 4 * Math.ceil(k / 2));
}
