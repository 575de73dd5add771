import { fail, type ParameterSpace } from '@cria/tensor';

/** Where parameters lie in a flat space. */
export interface FlatLayout {
  /** Elements, padding included. */
  readonly size: number;
  readonly parameters: readonly LaidParameter[];
}

export interface LaidParameter {
  readonly name: string;
  readonly shape: readonly number[];
  /** First element. */
  readonly offset: number;
}

export function layoutOf(space: ParameterSpace): FlatLayout {
  if (space.size === 0) fail('layout', 'the parameters have no places yet.', 'call parameters.allocate()');
  return {
    size: space.size,
    parameters: space.placed.map((parameter) => ({
      name: parameter.name,
      shape: parameter.shape,
      offset: space.offsetOf(parameter),
    })),
  };
}

/** A run of elements of one of several pieces of a space, and where it goes in a range of it. */
export interface Overlap {
  readonly piece: number;
  /** First element within the piece, and within the range. */
  readonly from: number;
  readonly to: number;
  readonly length: number;
}

/** The parts of pieces [begin, end) that lie in a range of the same space, in their order. Pure arithmetic. */
export function overlaps(
  pieces: readonly (readonly [begin: number, end: number])[],
  [begin, end]: readonly [begin: number, end: number],
): Overlap[] {
  return pieces.flatMap(([pieceBegin, pieceEnd], piece): Overlap[] => {
    const [first, last] = [Math.max(begin, pieceBegin), Math.min(end, pieceEnd)];
    if (first >= last) return [];
    return [{ piece, from: first - pieceBegin, to: first - begin, length: last - first }];
  });
}
