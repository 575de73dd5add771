import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { checkOptions, fail, type ParameterSpace, whatOf } from '@cria/tensor';
import type { Checkpoint } from '../checkpoint.ts';
import { openHuggingFaceFolder, readConfig } from '../huggingface/folder.ts';
import { readJson } from '../json-file.ts';
import { RangeFile } from '../range-file.ts';
import { SafetensorsFile } from '../safetensors/reader.ts';
import { makeCheckpoint } from '../stored-checkpoint.ts';
import { loadWeights, type StoredWeight } from '../weights.ts';
import { type Candidate, findCandidates, isStateName, namesIn, totalBytes } from './folders.ts';
import { type Manifest, MANIFEST_FILE, readManifest, verifyFiles } from './manifest.ts';
import { loadRanges } from './load-range.ts';
import { momentsOf } from './prepare.ts';
import { rankedWeights } from './ranked-weights.ts';
import type { RankedLayout } from './ranks.ts';
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
    damaged.push({ folder: candidate.folder, reason: whatOf(result.damage) });
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
    ? `go on from ${older.folder}: with fallback here, --skip-damaged of cria train, or by moving the damaged one away`
    : 'there is no other state to go on from';
  return fail(
    op,
    `the newest training state, ${candidate.folder}, is damaged: ${whatOf(damage)}`,
    hint,
    damage,
  );
}

interface StateJson extends Partial<RankedLayout> {
  readonly counters: Json;
  readonly fingerprints: Record<string, string>;
  readonly extraFiles: readonly string[];
}

async function openState(
  folder: string,
  manifest: Manifest,
  damaged: LoadedTrainingState['damaged'],
): Promise<LoadedTrainingState> {
  const state = (await readJson(op, join(folder, STATE_FILE))) as StateJson; // its hash was compared
  const { layout, ranks } = state;
  const ranked = layout && ranks ? { layout, ranks } : undefined;
  const checkpoint = ranked
    ? await openRanked(folder, ranked)
    : await openHuggingFaceFolder(folder, 'training-state');
  const values = checkpoint.tensors;
  const moments = ranked ? await rankedMoments(folder, ranked) : await storedMoments(folder, manifest);
  return {
    step: manifest.step,
    folder,
    bytes: totalBytes(manifest),
    config: checkpoint.config,
    counters: state.counters,
    fingerprints: state.fingerprints,
    hasMoments: moments.length > 0,
    extraFiles: state.extraFiles,
    damaged,
    ranks: ranks?.length ?? 1,
    checkpoint,
    async readExtraFile(name) {
      if (!state.extraFiles.includes(name))
        fail(op, `${folder} has no extra file "${name}".`, `it has ${state.extraFiles.join(', ') || 'none'}`);
      const file = await RangeFile.open(op, join(folder, name));
      return file.read(op, 0, file.size);
    },
    async load(parameters) {
      await checkpoint.load(parameters);
      await loadMoments(folder, moments, parameters);
    },
    loadRange: (range) => loadRanges(folder, values, moments, range),
  };
}

/** Weights by canonical name, of each moment; empty where a state was saved without. */
type Moments = readonly ReadonlyMap<string, StoredWeight>[];

async function openRanked(folder: string, ranked: RankedLayout): Promise<Checkpoint> {
  const { config, specialIds } = await readConfig(join(folder, 'config.json'));
  const weights = await rankedWeights(folder, ranked, 'values');
  return makeCheckpoint('training-state', folder, config, specialIds, weights);
}

async function rankedMoments(folder: string, ranked: RankedLayout): Promise<Moments> {
  const [first] = ranked.ranks;
  if (!first || !(await SafetensorsFile.open(join(folder, first.file))).tensors.has('exp_avg')) return [];
  return [await rankedWeights(folder, ranked, 'exp_avg'), await rankedWeights(folder, ranked, 'exp_avg_sq')];
}

async function storedMoments(folder: string, manifest: Manifest): Promise<Moments> {
  if (!(OPTIMIZER_FILE in manifest.files)) return [];
  const file = await SafetensorsFile.open(join(folder, OPTIMIZER_FILE));
  return MOMENT_PREFIXES.map((prefix) => {
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
    return weights;
  });
}

async function loadMoments(folder: string, stored: Moments, parameters: ParameterSpace): Promise<void> {
  for (const [i, moment] of (momentsOf(parameters) ?? []).entries()) {
    const weights =
      stored[i] ??
      fail(
        op,
        `${folder} was saved without moments, but the optimizer needs them.`,
        'start a new optimizer from its weights, with openCheckpoint',
      );
    const targets = parameters.parameters.map((parameter) => ({
      name: parameter.name,
      value: parameters.view(moment, parameter),
    }));
    await loadWeights(op, folder, weights, targets, false);
  }
}
