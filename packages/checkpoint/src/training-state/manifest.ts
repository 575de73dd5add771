import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fail } from '@cria/tensor';
import { encodeJson, readJson } from '../json-file.ts';
import type { ChecksumName } from './checksum.ts';
import { type StateFile, verifyFile } from './tensor-file.ts';

export const MANIFEST_FILE = 'manifest.json';
const FORMAT = 'cria-training-state';
/** Written. Version 1, which is read too, names no checksum: it is crc32. */
const VERSION = 2;

/** What a complete state consists of. A folder without a valid one is no state. */
export interface Manifest {
  readonly step: number;
  /** Grows with every save into the same root: the newest state has the largest. */
  readonly sequence: number;
  /** Of headers and tensors. */
  readonly checksum: ChecksumName;
  readonly files: Readonly<Record<string, StateFile>>;
}

export function encodeManifest(manifest: Omit<Manifest, 'checksum'>): Uint8Array {
  const body = {
    format: FORMAT,
    version: VERSION,
    step: manifest.step,
    sequence: manifest.sequence,
    checksum: 'xxh3' satisfies ChecksumName,
    files: manifest.files,
  };
  return encodeJson({ ...body, sha256: hashOf(body) });
}

/** Reads the manifest of a state and checks its own hash and the sizes of all files. Throws, naming what is wrong. */
export async function readManifest(op: string, folder: string): Promise<Manifest> {
  const path = join(folder, MANIFEST_FILE);
  const manifest = checkManifest(op, path, await readJson(op, path));
  for (const [name, { bytes }] of Object.entries(manifest.files)) {
    const size = await stat(join(folder, name)).then(
      (found) => found.size,
      () => undefined,
    );
    if (size !== bytes)
      fail(
        op,
        `${join(folder, name)} ${size === undefined ? 'is missing' : `has ${size} bytes`}, the manifest says ${bytes}.`,
        'the state is damaged',
      );
  }
  return manifest;
}

/** Reads every byte of the state and compares it with the sums. */
export async function verifyFiles(op: string, folder: string, manifest: Manifest): Promise<void> {
  for (const [name, file] of Object.entries(manifest.files))
    await verifyFile(op, join(folder, name), file, manifest.checksum);
}

function checkManifest(op: string, path: string, json: unknown): Manifest {
  const { sha256, ...body } = (json ?? {}) as Record<string, unknown>;
  if (body['format'] !== FORMAT)
    fail(op, `${path} has format ${JSON.stringify(body['format'])}, not "${FORMAT}".`);
  const { version } = body;
  if (version !== 1 && version !== VERSION)
    fail(
      op,
      `${path} has version ${JSON.stringify(version)}, this program reads 1 to ${VERSION}.`,
      'it was written by a later version',
    );
  if (sha256 !== hashOf(body))
    fail(op, `${path} does not have the sha256 it states.`, 'the manifest is damaged');
  // the hash says that it is what encodeManifest wrote
  const manifest = { checksum: 'crc32', ...body } as unknown as Manifest;
  if (manifest.checksum !== 'crc32' && manifest.checksum !== 'xxh3')
    fail(
      op,
      `${path} has checksums by ${JSON.stringify(manifest.checksum)}, this program knows xxh3 and crc32.`,
      'it was written by a later version',
    );
  return manifest;
}

function hashOf(body: object): string {
  return createHash('sha256').update(JSON.stringify(body)).digest('hex');
}
