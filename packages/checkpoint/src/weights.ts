import { type ComputeDType, describe, fail, type ParameterPart, sizeOf, type Tensor } from '@cria/tensor';
import type { TensorInfo } from './checkpoint.ts';
import { decodeNumbers, encodeFloats, toWritable } from './convert.ts';
import { readDirect } from './direct-read.ts';
import { isFloat, isNumeric, type NumericDType, weightBytes } from './dtypes.ts';
import { label, planLoad } from './load-plan.ts';
import { countNotFinite, type NotFiniteReport } from './not-finite.ts';
import { rowLengthOf, toAdjacent, toHalfSplit } from './row-order.ts';

/** Where a weight goes: a parameter, or its part of a moment. */
export interface LoadTarget {
  readonly name: string;
  readonly value: Tensor;
  /** Of a rank that has a part of the weight: which. */
  readonly part?: ParameterPart | undefined;
}

/** Bytes moved at a time: large enough for full speed, small beside any model. */
const PIECE_BYTES = 1 << 24;

/**
 * Writes every parameter from the stored weights. Where embeddings are tied, a stored output matrix
 * is accepted if it equals the embedding, and a model with an output matrix of its own gets a copy.
 * All mismatches are one error, before anything is written.
 */
export async function loadWeights(
  op: string,
  path: string,
  weights: ReadonlyMap<string, TensorInfo>,
  targets: readonly LoadTarget[],
  tied: boolean,
): Promise<void> {
  const wanted = targets.map((target) => ({ ...target, shape: target.value.shape }));
  const plan = await planLoad(op, path, weights, wanted, { tied, refuse });
  await copyWeights(plan.map(([{ value }, weight]) => [value, weight]));
}

/** Weights under way at one time: while some end, the device has others to read. */
const LANES = 4;

/**
 * Writes weights into tensors of their shapes. An error is told when nothing is being written any
 * more.
 */
export async function copyWeights(
  pairs: readonly (readonly [Tensor, TensorInfo])[],
  onNotFinite?: (report: NotFiniteReport) => void,
): Promise<void> {
  const rest = pairs.values();
  let stopped = false;
  const lane = async () => {
    for (const [value, weight] of rest) {
      if (stopped) return;
      await loadOne(value, weight, onNotFinite).catch((error: unknown) => {
        stopped = true;
        throw error;
      });
      await value.device.flush(); // or the device would hold a copy of everything written so far
    }
  };
  for (const result of await Promise.allSettled(Array.from({ length: LANES }, lane)))
    if (result.status === 'rejected') throw result.reason;
}

/** One stored weight, or some of its rows, as float32 in Meta's row order. */
export async function readFloat32(
  op: string,
  weight: TensorInfo,
  first = 0,
  last?: number,
): Promise<Float32Array> {
  const dtype = numericDType(op, weight);
  const bytesPerRow = rowBytes(weight);
  const rows = bytesPerRow === 0 ? 0 : weight.bytes / bytesPerRow;
  const end = last ?? rows;
  const head = weight.shape.length < 2 ? 1 : (weight.halfSplit ?? 1); // a bias is read whole
  if (!(0 <= first && first <= end && end <= rows && first % head === 0 && end % head === 0))
    fail(
      op,
      `rows ${first} to ${end} are no rows of ${weight.name} [${weight.shape.join(', ')}].`,
      head > 1 ? `its heads have ${head} rows` : undefined,
    );
  const bytes = ordered(await weight.readBytes(first * bytesPerRow, end * bytesPerRow), weight, bytesPerRow);
  const numbers = decodeNumbers(bytes, dtype);
  return numbers instanceof Float32Array ? numbers : Float32Array.from(numbers);
}

/**
 * The bytes of a tensor as a file holds them: converted, and with `halfSplit` the rows of heads so
 * wide in Hugging Face's order.
 */
export async function* weightChunks(
  name: string,
  value: Tensor,
  dtype: ComputeDType,
  halfSplit?: number,
): AsyncGenerator<Uint8Array> {
  const bytesPerRow = weightBytes(dtype, rowLengthOf(value.shape)) ?? 0;
  for await (const bytes of plainChunks(name, value, dtype, halfSplit))
    yield halfSplit === undefined ? bytes : toHalfSplit(bytes, bytesPerRow, halfSplit);
}

/** Memory to read into. */
export type Take = (bytes: number) => Uint8Array<ArrayBuffer>;

/**
 * The bytes of a tensor, converted, its rows as they are; a piece has a multiple of `group` rows.
 * With `take` they come in the memory that it gives, where the device can and nothing is converted.
 */
export async function* plainChunks(
  name: string,
  value: Tensor,
  dtype: ComputeDType,
  group = 1,
  take?: Take,
): AsyncGenerator<Uint8Array> {
  if (value.layout !== 'plain' || !isFloat(value.dtype)) {
    fail(
      'checkpoint.save',
      `${name} is ${describe(value)}.`,
      'save the plain weights, not packed or quantised ones',
    );
  }
  const bytesPerRow = weightBytes(dtype, value.columns) ?? 0;
  const flat = value.reshape(value.rows, value.columns);
  const { device } = value;
  const { readInto } = device.abilities;
  const direct = take && dtype === value.dtype && readInto ? { readInto, take } : undefined;
  for (const [start, end] of pieces(value.rows, bytesPerRow, group)) {
    const piece = flat.slice(start, end);
    if (!direct) yield encodeFloats(await piece.read(), value.dtype, dtype);
    else {
      const bytes = direct.take(piece.byteLength);
      await direct.readInto(piece.storage, piece.offset, bytes);
      yield bytes;
    }
  }
}

/** Only plain floats take the bits of a file, or numbers. */
function refuse({ name, value }: LoadTarget, weight: TensorInfo): string | undefined {
  if (!isNumeric(weight.dtype)) return `${label(weight)} is ${weight.dtype}, not a float type`;
  if (value.layout !== 'plain' || !isFloat(value.dtype))
    return `${name} of the model is ${describe(value)}, not plain floats`;
  return undefined;
}

/** Writes a weight into a tensor of its shape, converting its type. */
async function loadOne(
  value: Tensor,
  weight: TensorInfo,
  onNotFinite?: (report: NotFiniteReport) => void,
): Promise<void> {
  const dtype = numericDType('checkpoint.load', weight);
  if (dtype === value.dtype && value.layout === 'plain' && (await readDirect(value, weight))) return;
  const bytesPerRow = rowBytes(weight);
  const flat = value.reshape(value.rows, value.columns);
  const lost = { before: 0, after: 0 };
  for (const [start, end] of pieces(value.rows, bytesPerRow, weight.halfSplit ?? 1)) {
    const bytes = ordered(
      await weight.readBytes(start * bytesPerRow, end * bytesPerRow),
      weight,
      bytesPerRow,
    );
    const numbers = toWritable(bytes, dtype, value.dtype);
    flat.slice(start, end).write(numbers);
    if (!onNotFinite || numbers instanceof Uint8Array) continue;
    const { before, after } = countNotFinite(numbers, value.dtype);
    lost.before += before;
    lost.after += after;
  }
  if (lost.after > 0)
    onNotFinite?.({ name: weight.name, from: dtype, to: value.dtype, elements: value.size, ...lost });
}

/** Ranges of rows of some 16 MiB, in whole heads. */
export function* pieces(
  rows: number,
  bytesPerRow: number,
  group: number,
): Generator<readonly [number, number]> {
  const step = Math.max(group, Math.floor(PIECE_BYTES / Math.max(1, bytesPerRow) / group) * group);
  for (let start = 0; start < rows; start += step) yield [start, Math.min(start + step, rows)];
}

export function ordered(bytes: Uint8Array, weight: TensorInfo, bytesPerRow: number): Uint8Array {
  if (weight.halfSplit === undefined) return bytes;
  const [columns = 1] = weight.shape.length < 2 ? weight.shape : [1]; // a bias is put in order number by number
  return toAdjacent(bytes, bytesPerRow / columns, weight.halfSplit);
}

export function rowBytes(weight: TensorInfo): number {
  return weight.bytes / Math.max(1, weight.shape.length > 1 ? sizeOf(weight.shape.slice(0, -1)) : 1);
}

/** The type of a weight that can be read as numbers. */
export function numericDType(op: string, { dtype, storedName, file }: TensorInfo): NumericDType {
  if (isNumeric(dtype)) return dtype;
  return fail(op, `${storedName} in ${file} is ${dtype}, not a type of weights.`);
}
