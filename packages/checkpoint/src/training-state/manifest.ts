import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fail } from '@cria/tensor';
import type { WrittenFile } from '../atomic.ts';
import { encodeJson, readJson } from '../json-file.ts';
import { RangeFile } from '../range-file.ts';
import { findDamagedTensor } from './checksum.ts';

export const MANIFEST_FILE = 'manifest.json';
const FORMAT = 'cria-training-state';
const VERSION = 1;

/** A file of a state; of a safetensors file also the crc32 of every tensor, to name the one that is damaged. */
export interface StateFile extends WrittenFile {
  readonly tensors?: Readonly<Record<string, string>>;
}

/** What a complete state consists of. A folder without a valid one is no state. */
export interface Manifest {
  readonly step: number;
  /** Grows with every save into the same root: the newest state has the largest. */
  readonly sequence: number;
  readonly files: Readonly<Record<string, StateFile>>;
}

export function encodeManifest(manifest: Manifest): Uint8Array {
  const body = {
    format: FORMAT,
    version: VERSION,
    step: manifest.step,
    sequence: manifest.sequence,
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

/** Reads every byte of the state and compares the hashes. */
export async function verifyFiles(op: string, folder: string, manifest: Manifest): Promise<void> {
  for (const [name, { bytes, sha256, tensors }] of Object.entries(manifest.files)) {
    const file = await RangeFile.open(op, join(folder, name));
    const hash = createHash('sha256');
    const piece = 1 << 24;
    for (let at = 0; at < bytes; at += piece)
      hash.update(await file.read(op, at, Math.min(at + piece, bytes)));
    const digest = hash.digest('hex');
    if (digest !== sha256) {
      const tensor = tensors && (await findDamagedTensor(file.path, tensors));
      const where = tensor === undefined ? '' : `: the damage is in "${tensor}"`;
      fail(
        op,
        `${file.path} has sha256 ${digest}, the manifest says ${sha256}${where}.`,
        'the file is damaged',
      );
    }
  }
}

function checkManifest(op: string, path: string, json: unknown): Manifest {
  const { sha256, ...body } = (json ?? {}) as Record<string, unknown>;
  if (body['format'] !== FORMAT)
    fail(op, `${path} has format ${JSON.stringify(body['format'])}, not "${FORMAT}".`);
  if (body['version'] !== VERSION)
    fail(
      op,
      `${path} has version ${JSON.stringify(body['version'])}, this program reads ${VERSION}.`,
      'it was written by another version',
    );
  if (sha256 !== hashOf(body))
    fail(op, `${path} does not have the sha256 it states.`, 'the manifest is damaged');
  return body as unknown as Manifest; // the hash says that it is what encodeManifest wrote
}

function hashOf(body: object): string {
  return createHash('sha256').update(JSON.stringify(body)).digest('hex');
}
