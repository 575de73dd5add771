import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { checkOptions, fail, type ParameterSpace, whatOf } from '@cria/tensor';
import { type BaseModel, checkBase, keptParameters } from '../base-model.ts';
import type { Checkpoint, TensorInfo } from '../checkpoint.ts';
import { openHuggingFaceFolder, readConfig } from '../huggingface/folder.ts';
import { readJson } from '../json-file.ts';
import { RangeFile } from '../range-file.ts';
import { infoOf } from '../safetensors/info.ts';
import { SafetensorsFile } from '../safetensors/reader.ts';
import { makeCheckpoint } from '../stored-checkpoint.ts';
import { loadWeights } from '../weights.ts';
import { type Candidate, findCandidates, isStateName, namesIn, totalBytes } from './folders.ts';
import { type Manifest, MANIFEST_FILE, readManifest, verifyFiles } from './manifest.ts';
import { loadRanges, stateOf, type StoredStates } from './load-range.ts';
import { rankedWeights } from './ranked-weights.ts';
import type { RankedLayout } from './ranks.ts';
import { OPTIMIZER_FILE, STATE_FILE, TRAINED_FILE } from './write.ts';
import { type Json, type LoadedTrainingState, type LoadTrainingStateOptions, VALUES } from './types.ts';
import { boxedWeights, type BoxFile } from './boxes.ts';

const op = 'loadTrainingState';

/** Whether a folder is a training state or holds some. */
export async function isTrainingState(path: string): Promise<boolean> {
  return existsSync(join(path, MANIFEST_FILE)) || (await namesIn(path)).some(isStateName);
}

/**
 * The training state in a folder, or the newest one below a root. Every file is compared with the
 * hash in the manifest first. A damaged newest state is an error that names the damage, unless
 * `fallback` says to go on from the newest whole one before it.
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
  /** Of a state without the parameters of its base. */
  readonly base?: BaseModel;
  /** Of a state by ranks that have parts of the parameters. */
  readonly boxes?: readonly BoxFile[];
  /** Absent in states of earlier versions, which were AdamW's or had none. */
  readonly states?: readonly string[];
}

/** What states of earlier versions have, where they have any. */
const ADAM = ['exp_avg', 'exp_avg_sq'];

async function openState(
  folder: string,
  manifest: Manifest,
  damaged: LoadedTrainingState['damaged'],
): Promise<LoadedTrainingState> {
  const state = (await readJson(op, join(folder, STATE_FILE))) as StateJson; // its hash was compared
  const { checkpoint, states, ranks } = await openParts(folder, manifest, state);
  const values = checkpoint.tensors;
  return {
    step: manifest.step,
    folder,
    bytes: totalBytes(manifest),
    config: checkpoint.config,
    counters: state.counters,
    fingerprints: state.fingerprints,
    states: [...states.keys()],
    extraFiles: state.extraFiles,
    damaged,
    ranks,
    base: state.base,
    checkpoint,
    async readExtraFile(name) {
      if (!state.extraFiles.includes(name))
        fail(op, `${folder} has no extra file "${name}".`, `it has ${state.extraFiles.join(', ') || 'none'}`);
      const file = await RangeFile.open(op, join(folder, name));
      return file.read(op, 0, file.size);
    },
    async load(parameters, base) {
      checkBase(op, folder, state.base, base);
      if (state.base) await loadKept(folder, values, parameters, state.base);
      else await checkpoint.load(parameters);
      await loadStates(folder, states, parameters);
    },
    loadRange: (range) => loadRanges(folder, values, states, range),
  };
}

/** Weights and states, however they lie. */
async function openParts(
  folder: string,
  manifest: Manifest,
  { layout, ranks, boxes, states: names }: StateJson,
): Promise<{ readonly checkpoint: Checkpoint; readonly states: StoredStates; readonly ranks: number }> {
  if (boxes) {
    const checkpoint = await checkpointOf(folder, await boxedWeights(folder, boxes, VALUES));
    const all = (names ?? []).map(async (name) => [name, await boxedWeights(folder, boxes, name)] as const);
    return { checkpoint, states: new Map(await Promise.all(all)), ranks: boxes.length };
  }
  if (!layout || !ranks) {
    const trained = TRAINED_FILE in manifest.files;
    const checkpoint = trained
      ? await checkpointOf(
          folder,
          weightsBehind(await SafetensorsFile.open(join(folder, TRAINED_FILE)), `${VALUES}.`),
        )
      : await openHuggingFaceFolder(folder, 'training-state');
    return { checkpoint, states: await storedStates(folder, manifest, names), ranks: 1 };
  }
  const ranked = { layout, ranks };
  const checkpoint = await checkpointOf(folder, await rankedWeights(folder, ranked, VALUES));
  return { checkpoint, states: await rankedStates(folder, ranked, names), ranks: ranks.length };
}

async function checkpointOf(folder: string, weights: ReadonlyMap<string, TensorInfo>): Promise<Checkpoint> {
  const { config, specialIds } = await readConfig(join(folder, 'config.json'));
  return makeCheckpoint('training-state', folder, config, specialIds, weights);
}

async function rankedStates(
  folder: string,
  ranked: RankedLayout,
  names: readonly string[] = ADAM,
): Promise<StoredStates> {
  const [first] = ranked.ranks;
  const stored = first && (await SafetensorsFile.open(join(folder, first.file))).tensors;
  const there = names.filter((name) => stored?.has(name));
  return new Map(
    await Promise.all(there.map(async (name) => [name, await rankedWeights(folder, ranked, name)] as const)),
  );
}

async function storedStates(
  folder: string,
  manifest: Manifest,
  names: readonly string[] = ADAM,
): Promise<StoredStates> {
  if (!(OPTIMIZER_FILE in manifest.files)) return new Map();
  const file = await SafetensorsFile.open(join(folder, OPTIMIZER_FILE));
  return new Map(names.map((name) => [name, weightsBehind(file, `${name}.`)]));
}

/** Tensors of a file whose names begin so, by what follows. */
function weightsBehind(file: SafetensorsFile, prefix: string): ReadonlyMap<string, TensorInfo> {
  const weights = new Map<string, TensorInfo>();
  for (const tensor of file.tensors.values()) {
    if (!tensor.name.startsWith(prefix)) continue;
    const name = tensor.name.slice(prefix.length);
    weights.set(name, infoOf(file, tensor, name));
  }
  return weights;
}

/** What a state keeps beside its base. */
async function loadKept(
  folder: string,
  weights: ReadonlyMap<string, TensorInfo>,
  parameters: ParameterSpace,
  base: BaseModel,
): Promise<void> {
  const targets = keptParameters(parameters, base).map((parameter) => ({
    name: parameter.name,
    value: parameters.master(parameter),
    part: parameter.part,
  }));
  await loadWeights(op, folder, weights, targets, false);
  parameters.roundMasters();
}

async function loadStates(folder: string, stored: StoredStates, parameters: ParameterSpace): Promise<void> {
  for (const name of parameters.stateNames) {
    const memory = parameters.states.get(name);
    const targets = parameters.placed.map((parameter) => ({
      name: parameter.name,
      value: parameters.view(memory, parameter),
      part: parameter.part,
    }));
    await loadWeights(op, folder, stateOf(folder, stored, name), targets, false);
  }
}
