import { fail } from '@cria/tensor';
import { openModelFile } from '../model-file.ts';
import type { RangeFile } from '../range-file.ts';
import { type WeightDType, weightBytes } from '../dtypes.ts';
import { readPickle } from './pickle-reader.ts';
import { PickledTensor } from './pickle-values.ts';
import { readZip, readZipEntry, type ZipEntry } from './zip-reader.ts';

/** A tensor of a `.pth` file: rows of `columns` elements, `rowStride` elements apart. */
export interface PthTensor {
  readonly name: string;
  readonly dtype: WeightDType;
  readonly shape: readonly number[];
  /** First byte in the file. */
  readonly begin: number;
  readonly rows: number;
  readonly rowBytes: number;
  /** Bytes from row to row; more than `rowBytes` where the tensor is a piece of a wider one. */
  readonly strideBytes: number;
}

const MOST_PICKLE_BYTES = 16 << 20;

/**
 * A file of `torch.save`: a zip with a pickle that describes tensors, and their storages. Opening
 * reads the description only.
 */
export class PthFile {
  readonly path: string;
  readonly tensors: ReadonlyMap<string, PthTensor>;
  readonly #file: RangeFile;

  private constructor(file: RangeFile, tensors: ReadonlyMap<string, PthTensor>) {
    this.path = file.path;
    this.#file = file;
    this.tensors = tensors;
  }

  /** Throws on anything but tensors, and names the function where the pickle would call one. */
  static async open(path: string): Promise<PthFile> {
    const op = 'pth.open';
    const file = await openModelFile(op, path);
    const entries = await readZip(op, file);
    const pickle = [...entries.values()].find(({ name }) => /(^|\/)data\.pkl$/.test(name));
    if (!pickle) return fail(op, `${path} has no data.pkl.`, 'is it a file of torch.save?');
    if (pickle.bytes > MOST_PICKLE_BYTES)
      fail(op, `${path}: data.pkl has ${pickle.bytes} bytes, more than ${MOST_PICKLE_BYTES}.`);
    const root = pickle.name.slice(0, -'data.pkl'.length);
    await checkByteOrder(op, file, entries.get(`${root}byteorder`));
    const value = readPickle(op, path, await readZipEntry(op, file, pickle));
    const tensors = new Map<string, PthTensor>();
    for (const [name, tensor] of tensorsOf(op, path, value))
      tensors.set(name, placeTensor(op, path, name, tensor, entries.get(`${root}data/${tensor.key}`)));
    return new PthFile(file, tensors);
  }

  /** Bytes `begin` to `end` of a tensor in its row-major order. */
  async read(name: string, begin: number, end: number): Promise<Uint8Array> {
    const op = 'pth.read';
    const tensor = this.tensors.get(name) ?? fail(op, `${this.path} has no tensor "${name}".`);
    const { rows, rowBytes, strideBytes } = tensor;
    if (!(0 <= begin && begin <= end && end <= rows * rowBytes))
      fail(op, `bytes ${begin} to ${end} are outside "${name}" of ${rows * rowBytes} bytes in ${this.path}.`);
    if (strideBytes === rowBytes) return this.#file.read(op, tensor.begin + begin, tensor.begin + end);
    const out = new Uint8Array(end - begin);
    const first = Math.floor(begin / rowBytes);
    for (let row = first; row * rowBytes < end; row++) {
      const from = Math.max(begin, row * rowBytes);
      const to = Math.min(end, (row + 1) * rowBytes);
      const at = tensor.begin + row * strideBytes - row * rowBytes;
      out.set(await this.#file.read(op, at + from, at + to), from - begin);
    }
    return out;
  }
}

/**
 * The tensors of a state_dict, also of one that lies in a dictionary under `model` or `state_dict`.
 */
function tensorsOf(op: string, path: string, value: unknown): [string, PickledTensor][] {
  if (!(value instanceof Map)) return fail(op, `${path} holds no dictionary of tensors.`);
  const dictionary = value as ReadonlyMap<unknown, unknown>;
  for (const key of ['model', 'state_dict']) {
    const inner = dictionary.get(key);
    if (inner instanceof Map) return tensorsOf(op, path, inner);
  }
  const found: [string, PickledTensor][] = [];
  for (const [name, each] of dictionary) {
    if (typeof name === 'string' && each instanceof PickledTensor) found.push([name, each]);
  }
  if (found.length === 0) fail(op, `${path} holds no tensors.`);
  return found;
}

function placeTensor(
  op: string,
  path: string,
  name: string,
  tensor: PickledTensor,
  entry: ZipEntry | undefined,
): PthTensor {
  const where = `${path}: tensor "${name}"`;
  const { dtype, shape, strides, offset, storageSize, key } = tensor;
  const size = weightBytes(dtype, 1) ?? 1;
  if (!entry) return fail(op, `${where} lies in storage "${key}", which is not there.`);
  if (entry.bytes !== weightBytes(dtype, storageSize))
    fail(op, `${where}: storage "${key}" of ${storageSize} ${dtype} has ${entry.bytes} bytes.`);
  const columns = shape.at(-1) ?? 1;
  const rows = shape.slice(0, -1).reduce((product, extent) => product * extent, 1);
  const rowStride = shape.length > 1 && rows > 1 ? (strides.at(-2) ?? columns) : columns;
  const regular =
    rowStride >= columns &&
    (columns === 1 || shape.length === 0 || strides.at(-1) === 1) &&
    strides
      .slice(0, -2)
      .every(
        (stride, axis) => shape[axis] === 1 || stride === (shape[axis + 1] ?? 1) * (strides[axis + 1] ?? 1),
      );
  const last = offset + (rows - 1) * rowStride + columns;
  if (!regular || !Number.isSafeInteger(rows * columns) || (rows * columns > 0 && !(last <= storageSize)))
    fail(
      op,
      `${where} of shape [${shape.join(', ')}], strides [${strides.join(', ')}] and offset ${offset} ` +
        `does not lie in rows in its storage of ${storageSize}.`,
    );
  return {
    name,
    dtype,
    shape,
    begin: entry.begin + offset * size,
    rows,
    rowBytes: columns * size,
    strideBytes: rowStride * size,
  };
}

async function checkByteOrder(op: string, file: RangeFile, entry: ZipEntry | undefined): Promise<void> {
  if (!entry) return;
  const order = entry.bytes <= 16 ? Buffer.from(await readZipEntry(op, file, entry)).toString() : '?';
  if (order !== 'little')
    fail(op, `${file.path} has byte order ${JSON.stringify(order)}.`, 'only little-endian files are read');
}
