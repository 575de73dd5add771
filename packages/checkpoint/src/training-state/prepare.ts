import {
  checkOptions,
  type ComputeDType,
  describe,
  fail,
  type Parameter,
  type ParameterSpace,
} from '@cria/tensor';
import { type BaseModel, keptParameters } from '../base-model.ts';
import { toHuggingFaceConfig } from '../huggingface/config.ts';
import { fileDType } from '../huggingface/folder.ts';
import { encodeJson } from '../json-file.ts';
import { isRotated, toHuggingFaceName } from '../names.ts';
import { isFloat } from '../dtypes.ts';
import { SINGLE_FILE } from '../safetensors/sharded.ts';
import { plainChunks } from '../weights.ts';
import { MANIFEST_FILE } from './manifest.ts';
import { OPTIMIZER_FILE, type PreparedState, STATE_FILE, type StateTensor, TRAINED_FILE } from './write.ts';
import { type Json, type TrainingState, VALUES } from './types.ts';

const op = 'saveTrainingState';
const ownFiles: readonly string[] = [
  SINGLE_FILE,
  OPTIMIZER_FILE,
  TRAINED_FILE,
  STATE_FILE,
  MANIFEST_FILE,
  'config.json',
];

/** Of a training state. */
export const stateOptions = [
  'step',
  'parameters',
  'config',
  'counters',
  'fingerprints',
  'extraFiles',
  'specialIds',
  'base',
];

/** Checks a state and lists what it consists of; tensors are read from the device when they are written. */
export function prepareState(state: TrainingState): PreparedState {
  checkOptions(op, state, stateOptions);
  checkState(state);
  const { step, parameters, config, base } = state;
  const dtype = fileDType(op, parameters);
  const tensors = new Map<string, readonly StateTensor[]>([
    base
      ? [TRAINED_FILE, trainedTensors(parameters, base, dtype)]
      : [SINGLE_FILE, weightTensors(config.headDim, parameters, dtype)],
  ]);
  const states = parameters.stateNames;
  if (states.length > 0)
    tensors.set(
      OPTIMIZER_FILE,
      states.flatMap((name) => stateTensors(parameters, name)),
    );
  return { step, files: smallFiles(state, dtype, { states }), tensors };
}

/** What a state holds besides tensors. `more` goes into the state's own file. */
export function smallFiles(
  {
    step,
    config,
    counters,
    fingerprints = {},
    extraFiles = {},
    specialIds = {},
    base,
  }: Omit<TrainingState, 'parameters'>,
  dtype: ComputeDType,
  more: object = {},
): ReadonlyMap<string, Uint8Array> {
  return new Map([
    ['config.json', encodeJson(toHuggingFaceConfig(config, { dtype, specialIds, own: true }))],
    [
      STATE_FILE,
      encodeJson({
        step,
        counters,
        fingerprints,
        extraFiles: Object.keys(extraFiles),
        ...(base && { base: { path: base.path, hash: base.hash } }),
        ...more,
      }),
    ],
    ...Object.entries(extraFiles),
  ]);
}

/** Weights with the names and the row order of a Hugging Face file. */
function weightTensors(headDim: number, parameters: ParameterSpace, dtype: ComputeDType): StateTensor[] {
  return parameters.parameters.map((parameter) => {
    const { name, shape, value } = parameter;
    checkWhole(parameter);
    if (parameter.frozen && !(isFloat(value.dtype) && value.layout === 'plain'))
      fail(
        op,
        `${name} is frozen, and ${describe(value)}.`,
        'say what the frozen parameters are: base, by baseModelOf() of their checkpoint',
      );
    const halfSplit = isRotated(name) ? headDim : undefined;
    return {
      name: toHuggingFaceName(name) ?? fail(op, `"${name}" is no parameter of a LLaMA.`),
      dtype,
      shape,
      halfSplit,
      chunks: (take) => plainChunks(name, parameters.master(parameter), dtype, halfSplit, take),
    };
  });
}

/**
 * What a state with a base keeps, by canonical names and in canonical row order: adapters are in no
 * format of others.
 */
function trainedTensors(parameters: ParameterSpace, base: BaseModel, dtype: ComputeDType): StateTensor[] {
  return keptParameters(parameters, base).map((parameter) => {
    const { name, shape } = parameter;
    checkWhole(parameter);
    const chunks: StateTensor['chunks'] = (take) =>
      plainChunks(name, parameters.master(parameter), dtype, 1, take);
    return { name: `${VALUES}.${name}`, dtype, shape, chunks };
  });
}

function checkWhole({ name, part }: Parameter): void {
  if (part) fail(op, `${name} is a part of [${part.of.join(', ')}].`, 'save with saveTrainingStateByRanks');
}

/** A state by canonical names, in canonical row order: it is nobody's format but ours. */
function stateTensors(parameters: ParameterSpace, state: string): StateTensor[] {
  const memory = parameters.states.get(state);
  const dtype = isFloat(memory.dtype)
    ? memory.dtype
    : fail(op, `${state} of ${memory.dtype} cannot be saved.`);
  return parameters.placed.map((parameter): StateTensor => {
    const name = `${state}.${parameter.name}`;
    const { shape } = parameter;
    const view = parameters.view(memory, parameter);
    return { name, dtype, shape, chunks: (take) => plainChunks(name, view, dtype, 1, take) };
  });
}

export function checkState({
  step,
  counters,
  fingerprints = {},
  extraFiles = {},
}: Pick<TrainingState, 'step' | 'counters' | 'fingerprints' | 'extraFiles'>): void {
  if (!Number.isSafeInteger(step) || step < 0 || step >= 1e15)
    fail(op, `step is ${step}.`, 'give a whole number from 0');
  checkJson('counters', counters);
  checkJson('fingerprints', fingerprints);
  for (const [name, bytes] of Object.entries(extraFiles)) {
    if (!/^[A-Za-z0-9][\w.-]{0,99}$/.test(name) || ownFiles.includes(name) || name.startsWith('rank-'))
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
