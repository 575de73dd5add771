import { createHash } from 'node:crypto';
import { CriaError, fail } from '@cria/tensor';
import { writeFileAtomic } from '@cria/files';
import { RangeFile } from '../range-file.ts';
import { SafetensorsFile } from '../safetensors/reader.ts';
import { compareTensors, safetensorsChunks, type TensorToWrite } from '../safetensors/writer.ts';
import { type Checksum, type ChecksumName, openChecksum } from './checksum.ts';

/*
 * The files of a state. A safetensors file has a checksum for what comes before its data and one
 * for each tensor, which together cover every byte and name what is damaged; any other file, and
 * every file of version 1, has a SHA-256.
 */

/** A file of a state, as the manifest has it. */
export interface StateFile {
  readonly bytes: number;
  /** Of the whole file. Absent where the parts below stand for it. */
  readonly sha256?: string;
  /** Checksum of the length and the header of a safetensors file. */
  readonly header?: string;
  /** Checksum of each of its tensors. */
  readonly tensors?: Readonly<Record<string, string>>;
}

/** Bytes read and summed at a time. */
const PIECE_BYTES = 1 << 24;

/** Writes a safetensors file, summing what goes by. */
export async function writeTensorFile(
  op: string,
  path: string,
  tensors: readonly TensorToWrite[],
): Promise<StateFile> {
  const checksum = await openChecksum('xxh3');
  const sums: Record<string, string> = {};
  let header = '';
  const summed = tensors.map((tensor): TensorToWrite => {
    async function* chunks() {
      checksum.begin();
      for await (const chunk of tensor.chunks()) {
        checksum.add(chunk);
        yield chunk;
      }
      sums[tensor.name] = checksum.end();
    }
    return { ...tensor, chunks };
  });
  async function* all() {
    for await (const chunk of safetensorsChunks(path, summed.sort(compareTensors), { format: 'pt' })) {
      if (header === '') header = sumOf(checksum, chunk); // it comes first, by itself
      yield chunk;
    }
  }
  const { bytes } = await writeFileAtomic(op, path, all(), false);
  return { bytes, header, tensors: sums };
}

/**
 * Reads every byte of a file of a state; throws, naming the tensor where that can be told, on any
 * that is not what was written.
 */
export async function verifyFile(
  op: string,
  path: string,
  file: StateFile,
  checksum: ChecksumName,
): Promise<void> {
  if (file.sha256 !== undefined) await verifyHash(op, path, file, checksum);
  else await verifyParts(op, path, file, await openChecksum(checksum));
}

async function verifyHash(
  op: string,
  path: string,
  { bytes, sha256, tensors }: StateFile,
  checksum: ChecksumName,
): Promise<void> {
  const file = await RangeFile.open(op, path);
  const hash = createHash('sha256');
  for (let at = 0; at < bytes; at += PIECE_BYTES)
    hash.update(await file.read(op, at, Math.min(at + PIECE_BYTES, bytes)));
  const digest = hash.digest('hex');
  if (digest === sha256) return;
  const sums = await openChecksum(checksum);
  const tensor = await findDamagedTensor(path, tensors ?? {}, sums).catch((error: unknown) => {
    if (error instanceof CriaError) return undefined; // the header itself, or no file of tensors: the hash says enough
    throw error;
  });
  const where = tensor === undefined ? '' : `: the damage is in "${tensor}"`;
  fail(op, `${path} has sha256 ${digest}, the manifest says ${sha256}${where}.`, 'the file is damaged');
}

async function verifyParts(
  op: string,
  path: string,
  { header, tensors = {} }: StateFile,
  checksum: Checksum,
): Promise<void> {
  const file = await SafetensorsFile.open(path);
  const raw = await RangeFile.open(op, path);
  if (sumOf(checksum, await raw.read(op, 0, file.dataStart)) !== header)
    fail(op, `${path}: the header is not the one that was written.`, 'the file is damaged');
  const damaged = await findDamagedTensor(path, tensors, checksum);
  if (damaged !== undefined)
    fail(
      op,
      `${path} has another checksum than the manifest: the damage is in "${damaged}".`,
      'the file is damaged',
    );
}

/** The first tensor that has another checksum; undefined where there is none. */
async function findDamagedTensor(
  path: string,
  sums: Readonly<Record<string, string>>,
  checksum: Checksum,
): Promise<string | undefined> {
  const file = await SafetensorsFile.open(path);
  for (const { name, begin, end } of file.tensors.values()) {
    checksum.begin();
    for (let at = 0; at < end - begin; at += PIECE_BYTES)
      checksum.add(await file.read(name, at, Math.min(at + PIECE_BYTES, end - begin)));
    if (checksum.end() !== sums[name]) return name;
  }
  return undefined;
}

function sumOf(checksum: Checksum, bytes: Uint8Array): string {
  checksum.begin();
  checksum.add(bytes);
  return checksum.end();
}
