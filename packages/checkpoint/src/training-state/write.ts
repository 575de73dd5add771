import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { ComputeDType } from '@cria/tensor';
import { type Chunks, explain, removeAfter, syncFolder, temporarySuffix, writeFileAtomic } from '@cria/files';
import { rowLengthOf, toHalfSplit } from '../row-order.ts';
import { weightBytes } from '../dtypes.ts';
import type { TensorToWrite } from '../safetensors/writer.ts';
import { findCandidates, namesIn, newStateName, staleTemporaries, totalBytes } from './folders.ts';
import { encodeManifest, MANIFEST_FILE } from './manifest.ts';
import { type StateFile, writeTensorFile } from './tensor-file.ts';
import type { SavedTrainingState } from './types.ts';
import type { Take } from '../weights.ts';

/*
 * What writing a state takes, from its parts in memory or on a device to the folder and the removal
 * of older ones. It runs in the caller or in the thread of a BackgroundSaver, so it knows nothing
 * of models and devices.
 */

export const OPTIMIZER_FILE = 'optimizer.safetensors';
/** Parameters by canonical names, of a state that has a base. */
export const TRAINED_FILE = 'trained.safetensors';
export const STATE_FILE = 'state.json';
export const op = 'saveTrainingState';

/** A state that was saved, and old ones that could not be removed. */
export interface SaveTrainingStateResult extends SavedTrainingState {
  readonly notRemoved: readonly { readonly folder: string; readonly reason: string }[];
}

/** How many states are kept. */
export interface KeepPolicy {
  readonly keepLast: number;
  readonly keepEvery: number | undefined;
}

/** A tensor of a state. */
export interface StateTensor {
  readonly name: string;
  readonly dtype: ComputeDType;
  readonly shape: readonly number[];
  /** In the file, its rows are those of heads so wide in Hugging Face's order. */
  readonly halfSplit?: number | undefined;
  /**
   * Its bytes with rows in Meta's order, in pieces of whole heads; in memory that `take` gives,
   * where that is of use.
   */
  readonly chunks: (take?: Take) => Chunks;
}

/** A state whose parts are known: what a save writes. */
export interface PreparedState {
  readonly step: number;
  /** Small files, encoded. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Tensors by file. */
  readonly tensors: ReadonlyMap<string, readonly StateTensor[]>;
}

/** Writes a prepared state as `saveTrainingState` does. */
export async function savePrepared(
  root: string,
  state: PreparedState,
  policy: KeepPolicy,
): Promise<SaveTrainingStateResult> {
  const place = await openPlace(root, state.step);
  try {
    return await commit(place, await writeFiles(place.temporary, state), policy);
  } catch (error) {
    throw await abandon(place, error);
  }
}

/** A state that is being written. */
export interface Place {
  readonly root: string;
  readonly step: number;
  readonly sequence: number;
  /** Where its files go. */
  readonly temporary: string;
  /** What that is called in the end. */
  readonly folder: string;
}

/** A new folder for a state of this step. */
export async function openPlace(root: string, step: number): Promise<Place> {
  try {
    await mkdir(root, { recursive: true });
    const older = await findCandidates(root);
    const sequence = 1 + Math.max(0, ...older.map(({ manifest }) => manifest?.sequence ?? 0));
    const folder = join(root, newStateName(step, await namesIn(root)));
    const temporary = folder + temporarySuffix();
    await mkdir(temporary);
    return { root, step, sequence, temporary, folder };
  } catch (error) {
    throw explain(op, `cannot save step ${step} below ${root}`, error);
  }
}

/** Writes the manifest, which makes a state of the files, gives the folder its name, and removes what it replaces. */
export async function commit(
  { root, step, sequence, temporary, folder }: Place,
  files: Readonly<Record<string, StateFile>>,
  policy: KeepPolicy,
): Promise<SaveTrainingStateResult> {
  const older = await findCandidates(root);
  await writeFileAtomic(op, join(temporary, MANIFEST_FILE), [encodeManifest({ step, sequence, files })]);
  await rename(temporary, folder);
  await syncFolder(dirname(folder));
  const notRemoved = await tidy(root, folder, older, policy);
  return { step, folder, bytes: totalBytes({ files }), notRemoved };
}

/** Clears away what was begun; the error that tells why. */
export async function abandon({ root, step, temporary }: Place, error: unknown): Promise<unknown> {
  await removeAfter(temporary);
  return explain(op, `cannot save step ${step} below ${root}`, error);
}

/** Writes the files of a state into a folder. */
export async function writeFiles(
  folder: string,
  { files, tensors }: Pick<PreparedState, 'files' | 'tensors'>,
): Promise<Record<string, StateFile>> {
  const written: Record<string, StateFile> = {};
  for (const [name, bytes] of files) written[name] = await writeFileAtomic(op, join(folder, name), [bytes]);
  for (const [name, list] of tensors)
    written[name] = await writeTensorFile(op, join(folder, name), list.map(inFileOrder));
  return written;
}

function inFileOrder({ name, dtype, shape, halfSplit, chunks }: StateTensor): TensorToWrite {
  if (halfSplit === undefined) return { name, dtype, shape, chunks };
  const rowBytes = weightBytes(dtype, rowLengthOf(shape)) ?? 0;
  async function* ordered() {
    for await (const chunk of chunks()) yield toHalfSplit(chunk, rowBytes, halfSplit ?? 1);
  }
  return { name, dtype, shape, chunks: ordered };
}

/** Removes what the new state replaces. What cannot be removed is reported: the new state is safe in any case. */
async function tidy(
  root: string,
  newest: string,
  older: Awaited<ReturnType<typeof findCandidates>>,
  { keepLast, keepEvery }: KeepPolicy,
) {
  const notRemoved: { folder: string; reason: string }[] = [];
  const attempt = async (folder: string, action: () => Promise<void>) => {
    await action().catch((error: Error) => notRemoved.push({ folder, reason: error.message }));
  };
  for (const { folder, manifest } of older) {
    // Not a state any more, but perhaps of use to somebody: out of the way of later loads.
    if (!manifest)
      await attempt(folder, () =>
        rename(folder, join(root, `damaged-${basename(folder)}${temporarySuffix().replace('.tmp', '')}`)),
      );
  }
  const replaced = older.filter(({ manifest }) => manifest).slice(keepLast - 1);
  for (const { folder, step } of replaced) {
    if (keepEvery !== undefined && step % keepEvery === 0) continue;
    await attempt(folder, async () => {
      const doomed = folder + temporarySuffix();
      await rename(folder, doomed); // from here on it is no state, however far the removal gets
      await rm(doomed, { recursive: true });
    });
  }
  const { mtimeMs } = await stat(newest);
  for (const folder of await staleTemporaries(root, await namesIn(root), mtimeMs)) {
    await attempt(folder, () => rm(folder, { recursive: true }));
  }
  return notRemoved;
}
