import type { ParameterPart } from '@cria/tensor';
import type { StoredPiece, TensorInfo } from './checkpoint.ts';
import { weightBytes } from './dtypes.ts';

/*
 * A rank's part of a stored weight, as a weight like any other: readers of every format, mapping
 * and conversion take it without a word. Some of the rows are a place in the file; some of the
 * columns are gathered row by row.
 */

/** What wants a weight, or a part of one. */
interface Target {
  readonly shape: readonly number[];
  /** Where it is a part: of which whole, and where it begins. */
  readonly part?: ParameterPart | undefined;
}

/** Of rows whose rest is larger, the rest is not read. A read opens its file, which costs more than so many bytes. */
const MOST_PASSED_OVER = 1 << 16;
/** Bytes of whole rows that are read at one time for the sake of some of their columns. */
const MOST_READ = 1 << 24;

/** Rows and columns of a matrix; a vector is a column of numbers. */
interface Box {
  readonly top: number;
  readonly left: number;
  readonly rows: number;
  readonly columns: number;
}

/** Shape of the whole that a target wants of a file. */
export function wholeShape({ shape, part }: Target): readonly number[] {
  return part?.of ?? shape;
}

/** What speaks against taking this part of a weight of the right shape, without a full stop; undefined: nothing. */
export function cutProblem(weight: TensorInfo, target: Target): string | undefined {
  const box = boxOf(target);
  if (isWhole(weight, target)) return undefined;
  const { storedName, halfSplit, dtype, shape } = weight;
  if (shape.length > 2) return `${storedName} has ${shape.length} axes, of which none can be cut`;
  if (halfSplit !== undefined && (box.top % halfSplit !== 0 || box.rows % halfSplit !== 0))
    return `rows ${box.top} to ${box.top + box.rows} of ${storedName} are not whole heads of ${halfSplit}`;
  const whole = [box.left, box.columns].every((columns) => weightBytes(dtype, columns) !== undefined);
  if (!whole)
    return `columns ${box.left} to ${box.left + box.columns} of ${storedName} cut through blocks of ${dtype}`;
  return undefined;
}

/** The part of a weight that a target wants; `cutProblem` found nothing. */
export function cutWeight(weight: TensorInfo, target: Target): TensorInfo {
  if (isWhole(weight, target)) return weight;
  const { shape } = target;
  const box = boxOf(target);
  if (weight.pieces)
    return joinPieces(
      weight,
      shape,
      weight.pieces.flatMap((piece) => piecesWithin(piece, box)),
    );
  const [stored, width] = [bytesOf(weight, columnsOf(weight.shape)), bytesOf(weight, box.columns)];
  const first = box.top * stored + bytesOf(weight, box.left);
  const cut = { ...weight, shape, bytes: box.rows * width };
  if (width === stored)
    return {
      ...cut,
      offset: weight.offset === undefined ? undefined : weight.offset + first,
      readBytes: (begin, end) => weight.readBytes(first + begin, first + end),
    };
  return {
    ...cut,
    offset: undefined,
    readBytes: (begin, end) => readColumns(weight, { first, stored, width }, begin, end),
  };
}

/** A weight that lies in boxes, which cover it. */
export function joinPieces(
  like: Pick<TensorInfo, 'name' | 'storedName' | 'dtype' | 'file' | 'halfSplit'>,
  shape: readonly number[],
  pieces: readonly StoredPiece[],
): TensorInfo {
  const { name, storedName, dtype, file, halfSplit } = like;
  const [only] = pieces;
  if (only && only.weight.shape.join() === shape.join()) return { ...only.weight, name, storedName };
  const stored = bytesOf(like, columnsOf(shape));
  const readBytes = async (begin: number, end: number) => {
    const [first, last] = [Math.floor(begin / stored), Math.ceil(end / stored)];
    const out = new Uint8Array((last - first) * stored);
    for (const { weight, begin: at } of pieces) {
      const own = boxOf({ shape: weight.shape, part: { of: shape, begin: at } });
      const [from, to] = [Math.max(first, own.top), Math.min(last, own.top + own.rows)];
      if (from >= to) continue;
      const width = bytesOf(like, own.columns);
      const bytes = await weight.readBytes((from - own.top) * width, (to - own.top) * width);
      for (let row = from; row < to; row++)
        out.set(
          bytes.subarray((row - from) * width, (row - from + 1) * width),
          (row - first) * stored + bytesOf(like, own.left),
        );
    }
    return out.slice(begin - first * stored, end - first * stored);
  };
  const bytes = rowsOf(shape) * stored;
  return { name, storedName, dtype, file, halfSplit, offset: undefined, shape, bytes, pieces, readBytes };
}

/** What of a piece lies within a box, and where it begins there. */
function piecesWithin({ weight, begin }: StoredPiece, box: Box): StoredPiece[] {
  const own = boxOf({ shape: weight.shape, part: { of: [], begin } });
  const [top, left] = [Math.max(own.top, box.top), Math.max(own.left, box.left)];
  const rows = Math.min(own.top + own.rows, box.top + box.rows) - top;
  const columns = Math.min(own.left + own.columns, box.left + box.columns) - left;
  if (rows <= 0 || columns <= 0) return [];
  const vector = weight.shape.length < 2;
  const place = (y: number, x: number) => (vector ? [y] : [y, x]);
  const part = { of: weight.shape, begin: place(top - own.top, left - own.left) };
  return [
    {
      weight: cutWeight(weight, { shape: place(rows, columns), part }),
      begin: place(top - box.top, left - box.left),
    },
  ];
}

interface Columns {
  /** First byte, in the weight. */
  readonly first: number;
  /** Bytes from row to row of the weight, and of a row of the part. */
  readonly stored: number;
  readonly width: number;
}

/** Bytes `begin` to `end` of some columns. */
async function readColumns(
  weight: TensorInfo,
  { first, stored, width }: Columns,
  begin: number,
  end: number,
): Promise<Uint8Array> {
  if (begin === end) return weight.readBytes(0, 0); // which refuses a file that changed
  const [top, bottom] = [Math.floor(begin / width), Math.ceil(end / width)];
  const out = new Uint8Array((bottom - top) * width);
  const together = stored - width > MOST_PASSED_OVER ? 1 : Math.max(1, Math.floor(MOST_READ / stored));
  for (let row = top; row < bottom; row += together) {
    const last = Math.min(row + together, bottom);
    const bytes = await weight.readBytes(first + row * stored, first + (last - 1) * stored + width);
    for (let each = row; each < last; each++) {
      const at = (each - row) * stored;
      out.set(bytes.subarray(at, at + width), (each - top) * width);
    }
  }
  return out.subarray(begin - top * width, end - top * width);
}

function isWhole(weight: TensorInfo, { shape, part }: Target): boolean {
  return part === undefined || shape.join() === weight.shape.join();
}

function boxOf({ shape, part }: Target): Box {
  const [top = 0, left = 0] = part?.begin ?? [];
  return { top, left, rows: rowsOf(shape), columns: columnsOf(shape) };
}

const rowsOf = (shape: readonly number[]) => shape[0] ?? 1;
const columnsOf = (shape: readonly number[]) =>
  shape.slice(1).reduce((product, extent) => product * extent, 1);

/** Of so many elements of a row, which are whole blocks. */
function bytesOf({ dtype }: Pick<TensorInfo, 'dtype'>, elements: number): number {
  return weightBytes(dtype, elements) ?? 0;
}
