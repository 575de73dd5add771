import { fail } from '@cria/tensor';
import type { RangeFile } from '../range-file.ts';
import { weightBytes } from '../dtypes.ts';
import { readPickleAt } from './pickle-reader.ts';
import type { PickledStorage } from './pickle-values.ts';

/*
 * What `torch.save` wrote before version 1.6, and still writes with
 * `_use_new_zipfile_serialization=False`: five pickles one behind the other (a magic number, the
 * version, the machine, the object, the keys of its storages), then for each key the number of
 * elements in 8 bytes and the elements. Numbers are little-endian whatever the machine was: the
 * flag `little_endian` only says which it was, and torch itself does not read it.
 */

/** Where the numbers of a storage lie in the file. */
export interface StoragePlace {
  readonly begin: number;
  readonly bytes: number;
}

/** What a file describes, and where the storages of its tensors lie. */
export interface PthContent {
  readonly value: unknown;
  readonly storages: ReadonlyMap<string, StoragePlace>;
}

/** No pickle of a model comes near it: a tensor takes some 200 bytes. */
export const MOST_PICKLE_BYTES = 16 << 20;

const MAGIC = 0x1950a86a20f9469cfc6cn;
/** The magic number as a pickle holds it, and how far behind the start protocol and frame put it. */
const MAGIC_BYTES = Buffer.from('8a0a6cfc9c46f9206aa85019', 'hex');
const MAGIC_WITHIN = 32;
const VERSION = 1001;

export function isLegacyPth(front: Uint8Array): boolean {
  return front[0] === 0x80 && Buffer.from(front.subarray(0, MAGIC_WITHIN)).includes(MAGIC_BYTES);
}

export async function readLegacyPth(op: string, file: RangeFile): Promise<PthContent> {
  const { path } = file;
  const bytes = await file.read(op, 0, Math.min(file.size, MOST_PICKLE_BYTES));
  let at = 0;
  const next = () => {
    const read = readPickleAt(op, path, bytes, at);
    at = read.end;
    return read;
  };
  const [magic, version] = [next().value, next().value];
  if (magic !== MAGIC || version !== VERSION)
    fail(op, `${path} is of version ${String(version)} of PyTorch's older format, not ${VERSION}.`);
  next(); // the machine that wrote it
  const { value, storages } = next();
  const keys = next().value;
  if (!Array.isArray(keys) || !keys.every((key) => typeof key === 'string'))
    return fail(op, `${path} has no list of storages behind its pickle.`, 'the file is damaged');
  return { value, storages: await placeStorages(op, file, at, keys as readonly string[], storages) };
}

async function placeStorages(
  op: string,
  file: RangeFile,
  start: number,
  keys: readonly string[],
  storages: ReadonlyMap<string, PickledStorage>,
): Promise<ReadonlyMap<string, StoragePlace>> {
  const refuse = (what: string): never => fail(op, `${file.path}: ${what}.`, 'the file is damaged');
  const places = new Map<string, StoragePlace>();
  let at = start;
  for (const key of keys) {
    const storage = storages.get(key) ?? refuse(`no tensor lies in storage "${key}", which the file has`);
    if (places.has(key)) refuse(`storage "${key}" is there twice`);
    if (at + 8 > file.size) refuse(`it ends at byte ${file.size}, before storage "${key}"`);
    const head = Buffer.from(await file.read(op, at, at + 8));
    const elements = head.readBigInt64LE();
    if (elements !== BigInt(storage.size))
      refuse(`storage "${key}" has ${elements} elements, its pickle says ${storage.size}`);
    const bytes = weightBytes(storage.dtype, storage.size) ?? NaN;
    if (!(at + 8 + bytes <= file.size))
      refuse(`storage "${key}" of ${bytes} bytes begins at byte ${at + 8} of ${file.size}`);
    places.set(key, { begin: at + 8, bytes });
    at += 8 + bytes;
  }
  if (at !== file.size) refuse(`${file.size - at} bytes follow the last storage`);
  return places;
}
