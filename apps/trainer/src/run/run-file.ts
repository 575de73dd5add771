import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeWhole } from '@cria/files';
import { type ComputeDType, fail } from '@cria/tensor';

/**
 * What is known of a run beside its configuration: decided once, so that a resumed run is the same
 * run.
 */
export interface RunFile {
  readonly version: 1;
  /** Hash of the configuration and the data. */
  readonly key: string;
  /** What the run computes in, once a device was asked. */
  readonly dtype?: ComputeDType;
  /** Updates of the whole run, once they are fixed. */
  readonly steps?: number;
  /** Held-out loss of the unigram model of the same tokens. */
  readonly unigramLoss?: number;
  readonly finished?: {
    readonly validationLoss: number | undefined;
    readonly totalTokens: number;
    readonly seconds: number;
  };
}

/** Places inside a run folder. */
export function runPaths(folder: string) {
  return {
    folder,
    run: join(folder, 'run.json'),
    config: join(folder, 'config.yaml'),
    data: join(folder, 'data'),
    checkpoints: join(folder, 'checkpoints'),
    curve: join(folder, 'loss.svg'),
    samples: join(folder, 'samples.txt'),
    lock: join(folder, 'lock'),
  } as const;
}

/** Undefined where there is no run yet. Throws where the file is damaged or of a later version. */
export function readRunFile(folder: string): RunFile | undefined {
  const path = runPaths(folder).run;
  if (!existsSync(path)) return undefined;
  let content: RunFile;
  try {
    content = JSON.parse(readFileSync(path, 'utf8')) as RunFile;
  } catch (error) {
    return fail(
      'run',
      `${path} is damaged: ${(error as Error).message}.`,
      'move the folder away to start anew',
      error,
    );
  }
  if (content.version !== 1)
    fail('run', `${path} has version ${String(content.version)}; this program knows 1.`);
  return content;
}

/** Replaces the file as a whole, so that a kill leaves the old or the new one. */
export function writeRunFile(folder: string, content: RunFile): void {
  mkdirSync(folder, { recursive: true });
  writeWhole(runPaths(folder).run, JSON.stringify(content, null, 2) + '\n');
}
