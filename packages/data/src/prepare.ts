import { closeSync, fsyncSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fail } from '@cria/tensor';
import {
  datasetFingerprint,
  encodeManifest,
  type Manifest,
  MANIFEST_FILE,
  type ShardEntry,
} from './manifest.ts';
import type { PreparedSource, PrepareOptions, PrepareResult } from './options.ts';
import { checkPrepareOptions } from './prepare-options.ts';
import { Progress } from './progress.ts';
import { SourceJob } from './source-job.ts';
import { stage } from './staging.ts';
import { walk } from './walk.ts';

/**
 * Reads, cleans and tokenises text into a dataset that `TokenDataset.open` reads: shards of tokens
 * and a manifest, in a folder that appears as a whole when everything succeeded. Documents become
 * BOS … EOS. The same files, options and tokenizer give the same bytes.
 *
 * Throws on a missing or empty source, a source of which nothing is left, a folder that is not a
 * dataset, a full disk; an abort through `signal` rejects with its reason. The folder that was
 * there before then stays as it was.
 */
export async function prepare(options: PrepareOptions): Promise<PrepareResult> {
  checkPrepareOptions(options);
  const { sources, tokenizer, out, seed = 0, validationShare = 0.01 } = options;
  const found = sources.map((source) => ({ source, ...walk(source, seed) }));
  const staging = stage(out);
  try {
    const progress = new Progress(options, found);
    const seen = new Set<string>();
    const prepared: PreparedSource[] = [];
    const shards: ShardEntry[] = [];
    for (const { source, ...files } of found) {
      const job = new SourceJob(staging.folder, source, options, seen, progress);
      prepared.push(await job.run(files));
      shards.push(...job.shards);
    }
    const manifest: Manifest = {
      tokenizerFingerprint: tokenizer.fingerprint,
      vocabSize: tokenizer.vocabSize,
      seed,
      validationShare,
      fingerprint: datasetFingerprint(shards),
      sources: prepared,
      shards,
    };
    writeSynced(join(staging.folder, MANIFEST_FILE), encodeManifest(manifest));
    staging.commit();
    return {
      folder: out,
      fingerprint: manifest.fingerprint,
      tokenizerFingerprint: tokenizer.fingerprint,
      sources: prepared,
    };
  } catch (error) {
    staging.abandon();
    throw explain(out, error);
  }
}

function writeSynced(path: string, text: string): void {
  const file = openSync(path, 'wx');
  try {
    writeFileSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function explain(out: string, error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (!/^E[A-Z]+$/.test(code)) return error;
  try {
    return fail(
      'prepare',
      `cannot write the dataset ${out} (${code}).`,
      code === 'ENOSPC' ? 'the disk is full' : undefined,
      error,
    );
  } catch (explained) {
    return explained;
  }
}
