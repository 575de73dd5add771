import { type ComputeDType, fail, quantizable, type QuantizableDType } from '@cria/tensor';
import type { TensorInfo } from './checkpoint.ts';
import { decodeNumbers, encodeNumbers } from './convert.ts';
import { isBlock, isFloat, type NumericDType, weightBytes } from './dtypes.ts';
import { countNotFinite, type NotFinite } from './not-finite.ts';
import type { BlockError, NumbersInFile, Quantizer } from './quantizer.ts';
import { toHalfSplit } from './row-order.ts';
import { numericDType, ordered, pieces, readFloat32, rowBytes } from './weights.ts';

/** The form in which a weight goes into a file. */
export interface WeightForm {
  readonly dtype: NumericDType;
  /** Rows of heads this wide in Hugging Face's order; undefined: Meta's. */
  readonly halfSplit?: number | undefined;
  /** A part of the rows or columns, for a shard. */
  readonly rows?: readonly [number, number];
  readonly columns?: readonly [number, number];
  /** Mean squared activation of each column, to weigh errors of block formats. */
  readonly importance?: Float32Array | undefined;
}

/** What is told about each weight that is written. */
export interface WeightReport {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly elements: number;
  /**
   * Root of the mean squared difference, and the largest, between source and file; 0 where the bits
   * are the same.
   */
  readonly rmse: number;
  readonly largest: number;
  /**
   * Values that are NaN or infinite, where the type was changed; else not counted, since nothing
   * was lost.
   */
  readonly notFinite: NotFinite;
}

const op = 'convert';

/** Rows and columns of a weight; a vector is one row. */
export function matrixShape({ shape }: Pick<TensorInfo, 'shape'>): readonly [rows: number, columns: number] {
  const columns = shape.at(-1) ?? 1;
  return [shape.slice(0, -1).reduce((product, extent) => product * extent, 1), columns];
}

/**
 * The bytes of a weight in another form, a few megabytes of rows at a time; the next rows are read
 * while these are being converted. The bits stay as they are where the types agree.
 */
export async function* formChunks(
  weight: TensorInfo,
  form: WeightForm,
  quantizer: Quantizer,
  report: (report: WeightReport) => void,
): AsyncGenerator<Uint8Array> {
  const source = numericDType(op, weight);
  const [allRows, allColumns] = matrixShape(weight);
  const [firstRow, lastRow] = form.rows ?? [0, allRows];
  const [firstColumn, lastColumn] = form.columns ?? [0, allColumns];
  const columns = lastColumn - firstColumn;
  const stored = rowBytes(weight);
  const { dtype } = form;
  if (isQuantizable(dtype) && quantizer.quantizeFile && isInFile(weight) && columns === allColumns) {
    yield* fileChunks(weight, { ...form, dtype }, quantizer, firstRow, lastRow, report);
    return;
  }
  const group = Math.max(weight.halfSplit ?? 1, form.halfSplit ?? 1);
  const total = new Total();
  const ranges = [...pieces(lastRow - firstRow, stored, group)];
  const read = (index: number): Promise<Uint8Array> | undefined => {
    const range = ranges[index];
    return range && weight.readBytes((firstRow + range[0]) * stored, (firstRow + range[1]) * stored);
  };
  let ahead = read(0);
  for (let i = 0; i < ranges.length; i++) {
    const raw = await ahead;
    ahead = read(i + 1);
    ahead?.catch(() => undefined); // reported when its turn comes
    if (!raw) break;
    let bytes = ordered(raw, weight, stored);
    if (source !== form.dtype || columns !== allColumns) {
      if (columns !== allColumns) bytes = cutColumns(bytes, weight, firstColumn, lastColumn);
      if (source !== form.dtype) {
        const numbers = decodeNumbers(bytes, source);
        bytes = await encode(weight, numbers, columns, form, quantizer, total);
      }
    }
    yield form.halfSplit === undefined
      ? bytes
      : toHalfSplit(
          bytes,
          weightBytes(form.dtype, weight.shape.length < 2 ? 1 : columns) ?? 0,
          form.halfSplit,
        );
  }
  report(total.report(weight, form, (lastRow - firstRow) * columns));
}

/** A weight at one place of a file, of a type that `quantizeFile` reads. */
interface WeightInFile extends TensorInfo {
  readonly offset: number;
  readonly dtype: NumbersInFile['dtype'];
}

function isInFile(weight: TensorInfo): weight is WeightInFile {
  const { dtype, offset } = weight;
  return offset !== undefined && isFloat(dtype) && dtype !== 'f64';
}

/** Blocks that can be made; q2_k, q3_k, iq4_nl and iq4_xs are only copied. */
function isQuantizable(dtype: NumericDType): dtype is QuantizableDType {
  return (quantizable as readonly NumericDType[]).includes(dtype);
}

/**
 * As `formChunks`, with the numbers taken from the file by the quantiser; the next two pieces are
 * under way while one is written.
 */
async function* fileChunks(
  weight: WeightInFile,
  form: WeightForm & { readonly dtype: QuantizableDType },
  quantizer: Quantizer,
  firstRow: number,
  lastRow: number,
  report: (report: WeightReport) => void,
): AsyncGenerator<Uint8Array> {
  await weight.readBytes(0, 0); // refuses a file that is no longer the one that was opened
  const { file, offset, dtype, halfSplit } = weight;
  const [, columns] = matrixShape(weight);
  const stored = rowBytes(weight);
  const total = new Total();
  const ranges = [...pieces(lastRow - firstRow, stored, halfSplit ?? 1)];
  const start = (index: number) => {
    const range = ranges[index];
    if (!range) return undefined;
    const [from, to] = range;
    const elements = (to - from) * columns;
    const place = { file, offset: offset + (firstRow + from) * stored, elements, dtype, halfSplit };
    const result = quantizer.quantizeFile?.(form.dtype, place, columns, form.importance);
    result?.catch(() => undefined); // reported when its turn comes
    return result;
  };
  const ahead = [start(0), start(1)];
  for (let i = 0; i < ranges.length; i++) {
    const result = await ahead.shift();
    ahead.push(start(i + 2));
    if (!result) break;
    if (!Number.isFinite(result.error.squares)) await refuseNumbers(weight, form.dtype);
    total.add(result.error);
    yield result.blocks;
  }
  report(total.report(weight, form, (lastRow - firstRow) * columns));
}

/** Blocks have one scale for many values: a value that it cannot express spoils its neighbours. */
async function refuseNumbers(weight: TensorInfo, dtype: string): Promise<never> {
  const [rows] = matrixShape(weight);
  const bytesPerRow = rowBytes(weight);
  let count = 0;
  for (const [first, last] of pieces(rows, bytesPerRow, weight.halfSplit ?? 1))
    count += countNotFinite(await readFloat32(op, weight, first, last), 'f32').before;
  const what =
    count > 0 ? `${count} values that are no numbers or infinite` : `numbers that are too large for ${dtype}`;
  return fail(
    op,
    `${weight.storedName} in ${weight.file} holds ${what}.`,
    'blocks cannot hold them; convert to a float type (bf16 has the range of f32)',
  );
}

/** What is known of a weight once all its rows went by. */
class Total {
  #squares = 0;
  #largest = 0;
  #before = 0;
  #after = 0;

  add({ squares, largest }: BlockError): void {
    this.#squares += squares;
    this.#largest = Math.max(this.#largest, largest);
  }

  count({ before, after }: NotFinite): void {
    this.#before += before;
    this.#after += after;
  }

  report(weight: TensorInfo, form: WeightForm, elements: number): WeightReport {
    return {
      name: weight.name,
      from: weight.dtype,
      to: form.dtype,
      elements,
      rmse: Math.sqrt(this.#squares / Math.max(1, elements)),
      largest: this.#largest,
      notFinite: { before: this.#before, after: this.#after },
    };
  }
}

/** Columns of rows of plain floats. */
function cutColumns(bytes: Uint8Array, weight: TensorInfo, first: number, last: number): Uint8Array {
  if (isBlock(weight.dtype)) {
    const hint = 'convert to a float type in one file first';
    fail(op, `${weight.storedName} is ${weight.dtype}, whose blocks cannot be cut into columns.`, hint);
  }
  const size = weightBytes(weight.dtype, 1) ?? 1;
  const [from, width] = [rowBytes(weight), (last - first) * size];
  const out = new Uint8Array((bytes.length / from) * width);
  for (let row = 0; row * from < bytes.length; row++)
    out.set(bytes.subarray(row * from + first * size, row * from + last * size), row * width);
  return out;
}

async function encode(
  weight: TensorInfo,
  numbers: Float32Array | Float64Array,
  columns: number,
  form: WeightForm,
  quantizer: Quantizer,
  total: Total,
): Promise<Uint8Array> {
  const { dtype } = form;
  if (isFloat(dtype)) {
    const bytes = encodeNumbers(numbers, dtype);
    total.count(countNotFinite(numbers, dtype));
    if (losesBits(weight.dtype, dtype)) total.add(floatError(decodeNumbers(bytes, dtype), numbers));
    return bytes;
  }
  const x = numbers instanceof Float32Array ? numbers : new Float32Array(numbers);
  if (!isQuantizable(dtype)) return fail(op, `${weight.storedName}: ${dtype} is read only.`);
  const { blocks, error } = await quantizer.quantize(dtype, x, columns, form.importance);
  if (!Number.isFinite(error.squares)) await refuseNumbers(weight, dtype);
  total.add(error);
  return blocks;
}

function losesBits(from: string, to: ComputeDType): boolean {
  return !(to === 'f64' || (to === 'f32' && from !== 'f64'));
}

function floatError(stored: Float32Array | Float64Array, exact: Float32Array | Float64Array): BlockError {
  let squares = 0;
  let largest = 0;
  for (let i = 0; i < exact.length; i++) {
    const difference = Math.abs((stored[i] ?? 0) - (exact[i] ?? 0));
    if (Number.isNaN(difference)) continue; // a NaN or an infinity, which float types keep
    squares += difference * difference;
    if (difference > largest) largest = difference;
  }
  return { squares, largest };
}
