import { existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { isRunning, temporarySuffix, writerOf } from '@cria/files';
import { fail } from '@cria/tensor';
import { looksLikeDataset } from './manifest.ts';

/** A folder that takes its place as a whole when everything in it is written. */
export interface Staging {
  readonly folder: string;
  /** Puts the folder in its place, and the dataset that was there away. */
  commit(): void;
  abandon(): void;
}

export function stage(out: string): Staging {
  const target = resolve(out);
  checkTarget(target);
  const folder = target + temporarySuffix();
  try {
    mkdirSync(dirname(target), { recursive: true });
    removeStale(target);
    mkdirSync(folder);
  } catch (error) {
    fail(
      'prepare',
      `cannot write beside ${target} (${(error as NodeJS.ErrnoException).code}).`,
      'is the folder writable?',
      error,
    );
  }
  return {
    folder,
    commit() {
      const old = target + temporarySuffix();
      if (existsSync(target)) {
        if (readdirSync(target).length === 0) rmdirSync(target);
        else renameSync(target, old);
      }
      renameSync(folder, target);
      rmSync(old, { recursive: true, force: true });
    },
    abandon: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Only an empty folder or an earlier dataset may be replaced. */
function checkTarget(target: string): void {
  const stat = statSync(target, { throwIfNoEntry: false });
  if (!stat) return;
  if (!stat.isDirectory())
    fail('prepare', `${target} is not a folder.`, 'choose another place for the dataset');
  if (readdirSync(target).length > 0 && !looksLikeDataset(target)) {
    fail(
      'prepare',
      `${target} holds files that are not a dataset.`,
      'choose an empty folder: it is replaced as a whole',
    );
  }
}

/** What killed runs left: folders of processes that are gone. */
function removeStale(target: string): void {
  for (const name of readdirSync(dirname(target))) {
    if (!name.startsWith(`${basename(target)}.tmp-`)) continue;
    const writer = writerOf(name);
    if (writer !== undefined && !isRunning(writer))
      rmSync(join(dirname(target), name), { recursive: true, force: true });
  }
}
