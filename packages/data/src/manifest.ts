import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fail } from '@cria/tensor';
import type { PreparedSource, Split } from './options.ts';
import type { WrittenShard } from './shard-writer.ts';

export const MANIFEST_FILE = 'manifest.json';
const FORMAT = 'cria-dataset';
const VERSION = 1;

/** One shard of a dataset. */
export interface ShardEntry extends WrittenShard {
  readonly file: string;
  readonly source: string;
  readonly split: Split;
}

export interface Manifest {
  readonly tokenizerFingerprint: string;
  readonly vocabSize: number;
  readonly seed: number;
  readonly validationShare: number;
  /** Hash of all shards in order: equal for equal tokens. */
  readonly fingerprint: string;
  readonly sources: readonly PreparedSource[];
  readonly shards: readonly ShardEntry[];
}

/** Of the bytes of all shards, and where they belong; names of folders are not in it. */
export function datasetFingerprint(shards: readonly ShardEntry[]): string {
  const list = shards.map(({ file, source, split, sha256 }) => [file, source, split, sha256]);
  return createHash('sha256').update(JSON.stringify(list)).digest('hex').slice(0, 32);
}

/** JSON with a hash of itself, so that a changed byte is seen. */
export function encodeManifest(manifest: Manifest): string {
  const body = { format: FORMAT, version: VERSION, ...manifest };
  return `${JSON.stringify({ ...body, sha256: hashOf(body) }, null, 2)}\n`;
}

/** Reads the manifest of a prepared folder; throws where there is none or a byte of it changed. */
export function readManifest(folder: string): Manifest {
  const op = 'TokenDataset.open';
  const path = join(folder, MANIFEST_FILE);
  if (!existsSync(path))
    fail(
      op,
      `${folder} has no ${MANIFEST_FILE}.`,
      'prepare the data first: prepare({ sources, tokenizer, out })',
    );
  const { sha256, ...body } = parse(op, path);
  if (body['format'] !== FORMAT)
    fail(
      op,
      `${path} has format ${JSON.stringify(body['format'])}, not "${FORMAT}".`,
      'is it the folder of a dataset?',
    );
  if (body['version'] !== VERSION)
    fail(
      op,
      `${path} has version ${JSON.stringify(body['version'])}, this program reads ${VERSION}.`,
      'prepare the data again',
    );
  if (sha256 !== hashOf(body))
    fail(
      op,
      `${path} does not have the sha256 it states.`,
      'the file was changed or damaged; prepare the data again',
    );
  return body as unknown as Manifest; // the hash says that it is what encodeManifest wrote
}

/** Whether a folder was made by `prepare`, whatever its state. */
export function looksLikeDataset(folder: string): boolean {
  const path = join(folder, MANIFEST_FILE);
  return existsSync(path) && readFileSync(path, 'utf8').includes(`"${FORMAT}"`);
}

function parse(op: string, path: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch (error) {
    return fail(
      op,
      `${path} is not valid JSON (${(error as Error).message}).`,
      'the file is damaged; prepare the data again',
      error,
    );
  }
  return fail(op, `${path} is not an object.`, 'the file is damaged; prepare the data again');
}

function hashOf(body: object): string {
  return createHash('sha256').update(JSON.stringify(body)).digest('hex');
}
