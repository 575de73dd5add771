import { fail } from '@cria/tensor';
import { openModelFile } from '../model-file.ts';
import type { RangeFile } from '../range-file.ts';
import { isLegacyPth, MOST_PICKLE_BYTES, type PthContent, readLegacyPth } from './legacy-pth.ts';
import { readPickle } from './pickle-reader.ts';
import { PickledTensor } from './pickle-values.ts';
import { placeTensor, type PthTensor, readTensor } from './pth-tensor.ts';
import { readZip, readZipEntry, type ZipEntry } from './zip-reader.ts';

/** Where a tar file says that it is one. */
const TAR_MARK = 257;

/** Bytes that tell PyTorch's formats apart. */
const FRONT = TAR_MARK + 5;

/** Dictionaries in dictionaries; a pickle may hold one that holds itself. */
const MOST_DEPTH = 4;

/** By the first bytes: a zip, or the format before it. */
export function isPth(front: Uint8Array): boolean {
  return isLegacyPth(front) || Buffer.from(front.subarray(0, 2)).toString('latin1') === 'PK';
}

/**
 * A file of `torch.save`: a pickle that describes tensors, and their storages, in a zip or, as
 * before version 1.6, one behind the other. Opening reads the description only.
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
    const { value, storages } = await readContent(op, file);
    const tensors = new Map<string, PthTensor>();
    for (const [name, tensor] of tensorsOf(op, path, value))
      tensors.set(name, placeTensor(op, path, name, tensor, storages.get(tensor.storage.key)));
    return new PthFile(file, tensors);
  }

  /** Bytes `begin` to `end` of a tensor in its row-major order. */
  async read(name: string, begin: number, end: number): Promise<Uint8Array> {
    const op = 'pth.read';
    const tensor = this.tensors.get(name) ?? fail(op, `${this.path} has no tensor "${name}".`);
    const bytes = tensor.rows * tensor.rowBytes;
    if (!(0 <= begin && begin <= end && end <= bytes))
      fail(op, `bytes ${begin} to ${end} are outside "${name}" of ${bytes} bytes in ${this.path}.`);
    return readTensor(tensor, begin, end, (from, to) => this.#file.read(op, from, to));
  }
}

async function readContent(op: string, file: RangeFile): Promise<PthContent> {
  const front = Buffer.from(await file.read(op, 0, Math.min(FRONT, file.size)));
  if (isLegacyPth(front)) return readLegacyPth(op, file);
  if (front.toString('latin1', TAR_MARK) === 'ustar')
    fail(
      op,
      `${file.path} is a tar file, as PyTorch before 0.1.10 wrote them.`,
      'save it with a newer PyTorch',
    );
  return readZipPth(op, file);
}

async function readZipPth(op: string, file: RangeFile): Promise<PthContent> {
  const { path } = file;
  const entries = await readZip(op, file);
  const pickle = [...entries.values()].find(({ name }) => /(^|\/)data\.pkl$/.test(name));
  if (!pickle) return fail(op, `${path} has no data.pkl.`, 'is it a file of torch.save?');
  if (pickle.bytes > MOST_PICKLE_BYTES)
    fail(op, `${path}: data.pkl has ${pickle.bytes} bytes, more than ${MOST_PICKLE_BYTES}.`);
  const root = pickle.name.slice(0, -'data.pkl'.length);
  await checkByteOrder(op, file, entries.get(`${root}byteorder`));
  const data = `${root}data/`;
  const storages = new Map<string, ZipEntry>();
  for (const [name, entry] of entries)
    if (name.startsWith(data)) storages.set(name.slice(data.length), entry);
  return { value: readPickle(op, path, await readZipEntry(op, file, pickle)), storages };
}

/**
 * The tensors of a state_dict, also of one that lies in a dictionary under `model` or `state_dict`.
 */
function tensorsOf(op: string, path: string, value: unknown, depth = 0): [string, PickledTensor][] {
  if (!(value instanceof Map)) return fail(op, `${path} holds no dictionary of tensors.`);
  const dictionary = value as ReadonlyMap<unknown, unknown>;
  for (const key of ['model', 'state_dict']) {
    const inner = dictionary.get(key);
    if (inner instanceof Map && depth < MOST_DEPTH) return tensorsOf(op, path, inner, depth + 1);
  }
  const found: [string, PickledTensor][] = [];
  for (const [name, each] of dictionary) {
    if (typeof name === 'string' && each instanceof PickledTensor) found.push([name, each]);
  }
  if (found.length === 0) fail(op, `${path} holds no tensors.`);
  return found;
}

async function checkByteOrder(op: string, file: RangeFile, entry: ZipEntry | undefined): Promise<void> {
  if (!entry) return;
  const order = entry.bytes <= 16 ? Buffer.from(await readZipEntry(op, file, entry)).toString() : '?';
  if (order !== 'little')
    fail(op, `${file.path} has byte order ${JSON.stringify(order)}.`, 'only little-endian files are read');
}
