import { fail } from '@cria/tensor';
import { type WeightDType, weightBytes } from '../dtypes.ts';
import type { StoragePlace } from './legacy-pth.ts';
import type { PickledTensor } from './pickle-values.ts';

/** A tensor of a `.pth` file, seen as rows of its last axis. */
export interface PthTensor {
  readonly name: string;
  readonly dtype: WeightDType;
  readonly shape: readonly number[];
  /** First byte in the file. */
  readonly begin: number;
  readonly rows: number;
  readonly rowBytes: number;
  /**
   * Bytes from row to row; more than `rowBytes` where the tensor is a piece of a wider one.
   * Undefined where it has no rows in the file, as a transposed matrix: `strides` tell all.
   */
  readonly strideBytes: number | undefined;
  /** Elements from neighbour to neighbour along each axis. */
  readonly strides: readonly number[];
}

/** Finds a tensor in the file. Throws where any of it would lie outside its storage. */
export function placeTensor(
  op: string,
  path: string,
  name: string,
  tensor: PickledTensor,
  place: StoragePlace | undefined,
): PthTensor {
  const where = `${path}: tensor "${name}"`;
  const { storage, offset, shape, strides } = tensor;
  const { dtype, key, size, view } = storage;
  const elementBytes = weightBytes(dtype, 1) ?? 1;
  if (!place) return fail(op, `${where} lies in storage "${key}", which is not there.`);
  if (place.bytes !== weightBytes(dtype, size))
    fail(op, `${where}: storage "${key}" of ${size} ${dtype} has ${place.bytes} bytes.`);
  const elements = shape.reduce((product, extent) => product * extent, 1);
  const last = shape.reduce((at, extent, axis) => at + (extent - 1) * (strides[axis] ?? 0), offset);
  // Fewer elements than the tensor has: it repeats them (`expand`), which no weight does.
  const inside = elements === 0 || (last < view.size && elements <= view.size);
  if (!inside || !(view.offset + view.size <= size) || !Number.isSafeInteger(elements))
    fail(
      op,
      `${where} of shape [${shape.join(', ')}], strides [${strides.join(', ')}] and offset ${offset} ` +
        `does not lie in its storage of ${view.size}.`,
    );
  const columns = shape.at(-1) ?? 1;
  const stride = rowStride(shape, strides);
  return {
    name,
    dtype,
    shape,
    begin: place.begin + (view.offset + offset) * elementBytes,
    rows: shape.slice(0, -1).reduce((product, extent) => product * extent, 1),
    rowBytes: columns * elementBytes,
    strideBytes: stride === undefined ? undefined : stride * elementBytes,
    strides,
  };
}

/** Elements from row to row, where all rows lie whole and equally far apart. */
function rowStride(shape: readonly number[], strides: readonly number[]): number | undefined {
  const columns = shape.at(-1) ?? 1;
  if (columns > 1 && strides.at(-1) !== 1) return undefined;
  const outer = shape.slice(0, -1);
  const counted = outer.map((extent, axis) => [extent, strides[axis] ?? 0] as const);
  const axes = counted.filter(([extent]) => extent !== 1); // the stride of one alone says nothing
  const [, inner = columns] = axes.at(-1) ?? [];
  let expected = inner;
  for (const [extent, stride] of axes.reverse()) {
    if (stride !== expected) return undefined;
    expected *= extent;
  }
  return inner >= columns ? inner : undefined;
}

/** Reads bytes of the file. */
type Read = (begin: number, end: number) => Promise<Uint8Array>;

/** Bytes `begin` to `end` of a tensor in its row-major order. */
export async function readTensor(tensor: PthTensor, begin: number, end: number, read: Read) {
  const { rowBytes, strideBytes } = tensor;
  if (strideBytes === rowBytes) return read(tensor.begin + begin, tensor.begin + end);
  if (strideBytes === undefined) return gather(tensor, begin, end, read);
  const out = new Uint8Array(end - begin);
  for (let row = Math.floor(begin / rowBytes); row * rowBytes < end; row++) {
    const from = Math.max(begin, row * rowBytes);
    const to = Math.min(end, (row + 1) * rowBytes);
    const at = tensor.begin + row * strideBytes - row * rowBytes;
    out.set(await read(at + from, at + to), from - begin);
  }
  return out;
}

/** Element by element, out of all that lies between the first and the last of them. */
async function gather(tensor: PthTensor, begin: number, end: number, read: Read): Promise<Uint8Array> {
  const { shape, strides, dtype } = tensor;
  const width = weightBytes(dtype, 1) ?? 1;
  if (begin === end) return new Uint8Array(0);
  const [first, last] = [Math.floor(begin / width), Math.ceil(end / width)];
  const [extent = 1, ...inner] = shape;
  const step = strides[0] ?? 0;
  const slice = inner.reduce((product, each) => product * each, 1); // elements for each index of the first axis
  const low = Math.floor(first / slice) * step;
  const reach = inner.reduce((sum, each, axis) => sum + (each - 1) * (strides[axis + 1] ?? 0), 0);
  const high = Math.min(extent - 1, Math.floor((last - 1) / slice)) * step + reach;
  const source = await read(tensor.begin + low * width, tensor.begin + (high + 1) * width);
  const out = new Uint8Array((last - first) * width);
  for (let element = first, to = 0; element < last; element++) {
    let [rest, at] = [element, -low];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const size = shape[axis] ?? 1;
      at += (rest % size) * (strides[axis] ?? 0);
      rest = Math.floor(rest / size);
    }
    for (let byte = at * width; byte < (at + 1) * width; byte++) out[to++] = source[byte] ?? 0;
  }
  return out.subarray(begin - first * width, end - first * width);
}
