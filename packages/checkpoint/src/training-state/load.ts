import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { checkOptions, CriaError, fail, type ParameterSpace } from '@cria/tensor';
import { openHuggingFaceFolder } from '../huggingface/folder.ts';
import { readJson } from '../json-file.ts';
import { RangeFile } from '../range-file.ts';
import { SafetensorsFile } from '../safetensors/reader.ts';
import { loadWeights, type StoredWeight } from '../weights.ts';
import { type Candidate, findCandidates, isStateName, namesIn, totalBytes } from './folders.ts';
import { type Manifest, MANIFEST_FILE, readManifest, verifyFiles } from './manifest.ts';
import { momentsOf } from './prepare.ts';
import { MOMENT_PREFIXES, OPTIMIZER_FILE, STATE_FILE } from './write.ts';
import type { Json, LoadedTrainingState, LoadTrainingStateOptions } from './types.ts';

const op = 'loadTrainingState';

/** Whether a folder is a training state or holds some. */
export async function isTrainingState(path: string): Promise<boolean> {
  return existsSync(join(path, MANIFEST_FILE)) || (await namesIn(path)).some(isStateName);
}

/**
 * The training state in a folder, or the newest one below a root. Every file is compared with the hash in the manifest first. A damaged
 * newest state is an error that names the damage, unless `fallback` says to go on from the newest whole one before it.
 */
export async function loadTrainingState(
  path: string,
  options: LoadTrainingStateOptions = {},
): Promise<LoadedTrainingState> {
  checkOptions(op, options, ['fallback']);
  if (existsSync(join(path, MANIFEST_FILE))) {
    const manifest = await readManifest(op, path);
    await verifyFiles(op, path, manifest);
    return openState(path, manifest, []);
  }
  const candidates = await findCandidates(path);
  if (candidates.length === 0)
    fail(op, `${path} holds no training state.`, 'give the folder of a run that has saved at least once');
  const damaged: { folder: string; reason: string }[] = [];
  for (const candidate of candidates) {
    const result = await tryCandidate(candidate);
    if ('manifest' in result) return openState(candidate.folder, result.manifest, damaged);
    if (!options.fallback) refuse(candidate, result.damage, candidates);
    damaged.push({ folder: candidate.folder, reason: messageOf(result.damage) });
  }
  return fail(
    op,
    `every training state below ${path} is damaged: ${damaged.map(({ reason }) => reason).join(' ')}`,
  );
}

async function tryCandidate({
  folder,
  manifest,
  damage,
}: Candidate): Promise<{ manifest: Manifest } | { damage: unknown }> {
  if (!manifest) return { damage };
  try {
    await verifyFiles(op, folder, manifest);
    return { manifest };
  } catch (error) {
    return { damage: error };
  }
}

function refuse(candidate: Candidate, damage: unknown, candidates: readonly Candidate[]): never {
  const older = candidates.slice(candidates.indexOf(candidate) + 1).find(({ manifest }) => manifest);
  const hint = older
    ? `load with fallback to go on from ${older.folder}`
    : 'there is no other state to go on from';
  return fail(
    op,
    `the newest training state, ${candidate.folder}, is damaged: ${messageOf(damage)}`,
    hint,
    damage,
  );
}

async function openState(
  folder: string,
  manifest: Manifest,
  damaged: LoadedTrainingState['damaged'],
): Promise<LoadedTrainingState> {
  const state = (await readJson(op, join(folder, STATE_FILE))) as {
    readonly counters: Json;
    readonly fingerprints: Record<string, string>;
    readonly extraFiles: readonly string[];
  };
  const checkpoint = await openHuggingFaceFolder(folder, 'training-state');
  const hasMoments = OPTIMIZER_FILE in manifest.files;
  return {
    step: manifest.step,
    folder,
    bytes: totalBytes(manifest),
    config: checkpoint.config,
    counters: state.counters,
    fingerprints: state.fingerprints,
    hasMoments,
    extraFiles: state.extraFiles,
    damaged,
    async readExtraFile(name) {
      if (!state.extraFiles.includes(name))
        fail(op, `${folder} has no extra file "${name}".`, `it has ${state.extraFiles.join(', ') || 'none'}`);
      const file = await RangeFile.open(op, join(folder, name));
      return file.read(op, 0, file.size);
    },
    async load(parameters) {
      await checkpoint.load(parameters);
      await loadMoments(folder, hasMoments, parameters);
    },
  };
}

async function loadMoments(folder: string, saved: boolean, parameters: ParameterSpace): Promise<void> {
  const moments = momentsOf(parameters);
  if (!moments) return;
  if (!saved)
    fail(
      op,
      `${folder} was saved without moments, but the optimizer needs them.`,
      'start a new optimizer from its weights, with openCheckpoint',
    );
  const file = await SafetensorsFile.open(join(folder, OPTIMIZER_FILE));
  for (const [i, moment] of moments.entries()) {
    const prefix = MOMENT_PREFIXES[i] ?? '';
    const weights = new Map<string, StoredWeight>();
    for (const { name: storedName, dtype, shape, begin, end } of file.tensors.values()) {
      if (!storedName.startsWith(prefix)) continue;
      const name = storedName.slice(prefix.length);
      const readBytes = (from: number, to: number) => file.read(storedName, from, to);
      weights.set(name, {
        name,
        storedName,
        file: file.path,
        offset: file.dataStart + begin,
        dtype,
        shape,
        bytes: end - begin,
        halfSplit: undefined,
        readBytes,
      });
    }
    const targets = parameters.parameters.map((parameter) => ({
      name: parameter.name,
      value: parameters.view(moment, parameter),
    }));
    await loadWeights(op, file.path, weights, targets, false);
  }
}

function messageOf(error: unknown): string {
  return error instanceof CriaError || error instanceof Error ? error.message : String(error);
}
