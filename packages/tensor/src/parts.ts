import { fail } from './errors.ts';
import { normals } from './random.ts';
import type { Shape, Tensor } from './tensor.ts';

/** A box of a larger parameter: one rank's share of it. */
export interface ParameterPart {
  /** Shape of the whole. */
  readonly of: Shape;
  /** First index along each axis; the parameter's own shape says how many there are. */
  readonly begin: readonly number[];
}

/** Refuses a part that is no box of its whole. */
export function checkPart(name: string, shape: Shape, { of, begin }: ParameterPart): void {
  const fits =
    of.length === shape.length &&
    begin.length === shape.length &&
    shape.every(
      (extent, axis) => Number.isInteger(begin[axis]) && begin[axis] >= 0 && begin[axis] + extent <= of[axis],
    );
  if (!fits)
    fail(
      'parameters.add',
      `${name} of shape [${shape.join(', ')}] from [${begin.join(', ')}] on is no part of [${of.join(', ')}].`,
    );
}

interface Draws {
  readonly seed: number;
  readonly stream: number;
  readonly std: number;
}

/** Elements at a time, so that a large matrix never needs a large host array. */
const PIECE = 1 << 18;

/** Each element as it is drawn in the whole. */
export function writeNormals(
  value: Tensor,
  draws: Draws,
  part: ParameterPart = { of: value.shape, begin: value.shape.map(() => 0) },
): void {
  const run = runLength(value.shape, part.of);
  const flat = value.reshape(value.size);
  const piece = new Float32Array(Math.min(value.size, PIECE));
  for (let start = 0; start < value.size; start += piece.length) {
    const end = Math.min(start + piece.length, value.size);
    let at = start;
    while (at < end) {
      const next = Math.min(end, (Math.floor(at / run) + 1) * run);
      normals(
        { ...draws, start: indexInWhole(at, value.shape, part) },
        piece.subarray(at - start, next - start),
      );
      at = next;
    }
    flat.slice(start, end).write(piece.subarray(0, end - start));
  }
}

/**
 * Elements of a part that follow each other in the whole: as many as the innermost axes hold, up to
 * the first that is cut.
 */
function runLength(shape: Shape, of: Shape): number {
  let run = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    run *= shape[axis];
    if (shape[axis] !== of[axis]) break;
  }
  return run;
}

/** Where element `index` of a part stands in its whole, both row by row. */
function indexInWhole(index: number, shape: Shape, { of, begin }: ParameterPart): number {
  let whole = 0;
  for (let axis = shape.length - 1, rest = index, stride = 1; axis >= 0; axis--) {
    whole += stride * (begin[axis] + (rest % shape[axis]));
    rest = Math.floor(rest / shape[axis]);
    stride *= of[axis];
  }
  return whole;
}
