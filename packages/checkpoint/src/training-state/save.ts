import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { checkOptions, CriaError, fail, type ParameterSpace, type Tensor } from '@cria/tensor';
import { explain, removeAfter, syncFolder, temporarySuffix, writeFileAtomic } from '../atomic.ts';
import { toHuggingFaceConfig } from '../huggingface/config.ts';
import { fileDType, huggingFaceTensors } from '../huggingface/folder.ts';
import { encodeJson } from '../json-file.ts';
import { storedFloatDType } from '../safetensors/dtypes.ts';
import { SINGLE_FILE } from '../safetensors/sharded.ts';
import { type TensorToWrite, writeSafetensors } from '../safetensors/writer.ts';
import { weightChunks } from '../weights.ts';
import { findCandidates, namesIn, newStateName, staleTemporaries, totalBytes } from './folders.ts';
import { withChecksum } from './checksum.ts';
import { encodeManifest, MANIFEST_FILE, type StateFile } from './manifest.ts';
import type { Json, SavedTrainingState, SaveTrainingStateOptions, TrainingState } from './types.ts';

export const OPTIMIZER_FILE = 'optimizer.safetensors';
export const STATE_FILE = 'state.json';
/** PyTorch's names for the first and second moments of Adam. */
export const MOMENT_PREFIXES = ['exp_avg.', 'exp_avg_sq.'] as const;

const op = 'saveTrainingState';
const ownFiles = [SINGLE_FILE, OPTIMIZER_FILE, STATE_FILE, MANIFEST_FILE, 'config.json'];

/** A state that was saved, and old ones that could not be removed. */
export interface SaveTrainingStateResult extends SavedTrainingState {
  readonly notRemoved: readonly { readonly folder: string; readonly reason: string }[];
}

/**
 * Saves a training state as a folder `step-NNNNNNNN` below `root`. It is written under a temporary name, synced, and renamed when complete;
 * only then are older states beyond `keepLast` removed, and the leftovers of interrupted saves. On any error the earlier states are
 * as they were. One process at a time may save into a root.
 */
export async function saveTrainingState(
  root: string,
  state: TrainingState,
  options: SaveTrainingStateOptions = {},
): Promise<SaveTrainingStateResult> {
  const policy = checkPolicy(options);
  return savePrepared(root, prepareState(state), policy);
}

/** How many states are kept. */
export interface KeepPolicy {
  readonly keepLast: number;
  readonly keepEvery: number | undefined;
}

export function checkPolicy(options: SaveTrainingStateOptions): KeepPolicy {
  checkOptions(op, options, ['keepLast', 'keepEvery']);
  const { keepLast = 2, keepEvery } = options;
  if (!Number.isInteger(keepLast) || keepLast < 1)
    fail(op, `keepLast is ${keepLast}.`, 'give a whole number from 1');
  if (keepEvery !== undefined && !(Number.isInteger(keepEvery) && keepEvery >= 1))
    fail(op, `keepEvery is ${keepEvery}.`, 'give a whole number of steps from 1');
  return { keepLast, keepEvery };
}

/** Writes a prepared state as `saveTrainingState` does. */
export async function savePrepared(
  root: string,
  state: PreparedState,
  policy: KeepPolicy,
): Promise<SaveTrainingStateResult> {
  try {
    await mkdir(root, { recursive: true });
    const older = await findCandidates(root);
    const sequence = 1 + Math.max(0, ...older.map(({ manifest }) => manifest?.sequence ?? 0));
    const folder = join(root, newStateName(state.step, await namesIn(root)));
    const saved = await writeState(folder, state, sequence);
    const notRemoved = await tidy(root, saved.folder, older, policy);
    return { ...saved, notRemoved };
  } catch (error) {
    throw explain(op, `cannot save step ${state.step} below ${root}`, error);
  }
}

async function writeState(
  folder: string,
  state: PreparedState,
  sequence: number,
): Promise<SavedTrainingState> {
  const temporary = folder + temporarySuffix();
  try {
    await mkdir(temporary);
    const files = await writeFiles(temporary, state);
    const manifest = { step: state.step, sequence, files };
    await writeFileAtomic(op, join(temporary, MANIFEST_FILE), [encodeManifest(manifest)]);
    await rename(temporary, folder);
    await syncFolder(dirname(folder));
    return { step: state.step, folder, bytes: totalBytes(manifest) };
  } catch (error) {
    await removeAfter(temporary);
    throw error;
  }
}

async function writeFiles(folder: string, state: PreparedState): Promise<Record<string, StateFile>> {
  const files: Record<string, StateFile> = {};
  for (const [name, bytes] of state.files)
    files[name] = await writeFileAtomic(op, join(folder, name), [bytes]);
  for (const [name, tensors] of state.tensors) {
    const sums: Record<string, string> = {};
    const summed = tensors.map((tensor) => withChecksum(tensor, sums));
    const written = await writeSafetensors(join(folder, name), summed, { metadata: { format: 'pt' } });
    files[name] = { ...written, tensors: sums };
  }
  return files;
}

/** A state whose parts are known: what a save writes. */
export interface PreparedState {
  readonly step: number;
  /** Small files, encoded. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Tensors by file. */
  readonly tensors: ReadonlyMap<string, readonly TensorToWrite[]>;
}

/** Checks a state and lists what it consists of; tensors are read from the device when they are written. */
export function prepareState(state: TrainingState): PreparedState {
  checkOptions(op, state, [
    'step',
    'parameters',
    'config',
    'counters',
    'fingerprints',
    'extraFiles',
    'specialIds',
  ]);
  checkState(state);
  const { step, parameters, config, specialIds = {}, extraFiles = {}, counters, fingerprints = {} } = state;
  const dtype = fileDType(op, parameters);
  const files = new Map<string, Uint8Array>([
    ['config.json', encodeJson(toHuggingFaceConfig(config, { dtype, specialIds }))],
    [STATE_FILE, encodeJson({ step, counters, fingerprints, extraFiles: Object.keys(extraFiles) })],
    ...Object.entries(extraFiles),
  ]);
  const tensors = new Map<string, readonly TensorToWrite[]>([
    [SINGLE_FILE, huggingFaceTensors(config, parameters, dtype)],
  ]);
  const moments = momentsOf(parameters);
  if (moments) tensors.set(OPTIMIZER_FILE, momentTensors(parameters, moments));
  return { step, files, tensors };
}

/** Both moments of a space, if it has them. */
export function momentsOf(parameters: ParameterSpace): readonly [Tensor, Tensor] | undefined {
  let first: Tensor;
  try {
    first = parameters.firstMoments;
  } catch (error) {
    // How a space says that it has none; any other fault must not pass for that.
    if (error instanceof CriaError && error.op === 'parameters.firstMoments') return undefined;
    throw error;
  }
  return [first, parameters.secondMoments];
}

/** Moments by canonical name, in canonical row order: they are nobody's format but ours. */
function momentTensors(parameters: ParameterSpace, moments: readonly [Tensor, Tensor]): TensorToWrite[] {
  return parameters.parameters.flatMap((parameter) =>
    moments.map((moment, i): TensorToWrite => {
      const view = parameters.view(moment, parameter);
      const dtype = storedFloatDType(view.dtype) ?? fail(op, `moments of ${view.dtype} cannot be saved.`);
      const name = MOMENT_PREFIXES[i] + parameter.name;
      return { name, dtype, shape: parameter.shape, chunks: () => weightChunks(name, view, dtype) };
    }),
  );
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

function checkState({ step, counters, fingerprints = {}, extraFiles = {} }: TrainingState): void {
  if (!Number.isSafeInteger(step) || step < 0 || step >= 1e15)
    fail(op, `step is ${step}.`, 'give a whole number from 0');
  checkJson('counters', counters);
  checkJson('fingerprints', fingerprints);
  for (const [name, bytes] of Object.entries(extraFiles)) {
    if (!/^[A-Za-z0-9][\w.-]{0,99}$/.test(name) || ownFiles.includes(name))
      fail(
        op,
        `an extra file cannot be called "${name}".`,
        'give a plain file name that the state does not use',
      );
    if (!(bytes instanceof Uint8Array)) fail(op, `the extra file "${name}" is not a Uint8Array.`);
  }
}

/** What JSON would change (NaN, undefined, dates, …) is refused: counters must come back as they are. */
function checkJson(where: string, value: Json | undefined): void {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return;
  if (typeof value === 'number' && Number.isFinite(value) && !Object.is(value, -0)) return;
  if (Array.isArray(value)) return value.forEach((item: Json, i) => checkJson(`${where}[${i}]`, item));
  if (typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype) {
    return Object.entries(value).forEach(([name, item]) => checkJson(`${where}.${name}`, item as Json));
  }
  fail(
    op,
    `${where} is ${String(value)} (${typeof value}), which JSON cannot hold.`,
    'use finite numbers, strings, booleans, null, lists and records',
  );
}
