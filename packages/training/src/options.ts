import type { BaseModel, SpecialIds } from '@cria/checkpoint';
import { Llama, type LlamaConfig } from '@cria/layers';
import type { OptimizerFactory, Schedule } from '@cria/optimizers';
import {
  checkOptions,
  type ComputeDType,
  type Device,
  fail,
  type Parameter,
  type Recompute,
} from '@cria/tensor';
import type { TrainingSource, ValidationSource } from './batch.ts';
import type { TrainingEvent } from './events.ts';
import { nextToken } from './objectives/next-token.ts';
import type { Objective } from './objectives/objective.ts';

export interface TrainingOptions {
  /** Where to compute. The caller opens it and disposes of it. */
  readonly device: Device;
  /**
   * A shape, for a model of the trainer's own; or a model without memory, of parts as the caller
   * made them (adapters, a quantised base), which is the trainer's from then on. Parameters that
   * have a value already are frozen.
   */
  readonly model: LlamaConfig | Llama;
  /** Which parameters are trained; default all that have no value yet. */
  readonly trainable?: (parameter: Parameter) => boolean;
  /** Default AdamW with the settings below. */
  readonly optimizer?: OptimizerFactory;
  /** Default `nextToken`. */
  readonly objective?: Objective;
  /** Learning rates; default a cosine with the settings below. */
  readonly schedule?: Schedule;
  readonly data: TrainingSource;
  readonly validation?: ValidationSource;
  /** Updates in the whole run; the schedule ends there. */
  readonly totalSteps: number;
  /** Samples an update; default 8. */
  readonly batchSize?: number;
  /**
   * Samples a forward pass; must divide `batchSize`; default all. Smaller takes less memory and
   * gives the same bits where
   * samples · contextLength is a multiple of `device.rowChunk`. */
  readonly microBatchSize?: number;
  /** Peak learning rate; default 3e-4 (7B of the paper). */
  readonly learningRate?: number;
  /** Updates of linear warm-up; default 1 % of the run, at least 1. */
  readonly warmupSteps?: number;
  /** Last learning rate over the peak; default 0.1. */
  readonly finalLearningRateRatio?: number;
  /** Default 0.9. */
  readonly beta1?: number;
  /** Default 0.95. */
  readonly beta2?: number;
  /** Default 0.1, on matrices and embeddings only. */
  readonly weightDecay?: number;
  /** Largest global norm of the mean gradient; default 1. */
  readonly gradientClip?: number;
  /**
   * Of activations, and of the factors of products; default `auto`, the device's `preferredDType`.
   * Weights are f32 in any case: products in halves round them, updates and saved states do not.
   */
  readonly dtype?: ComputeDType | 'auto';
  /** What the backward pass makes again instead of keeping; default `selective`, as the paper. */
  readonly recompute?: Recompute;
  /** Initialisation; default 0. */
  readonly seed?: number;
  /**
   * Whose values the model's frozen parameters have (`baseModelOf` of their checkpoint): states
   * then keep what is trained alone, and a run goes on over the same base only. Needed with
   * `checkpoints` where frozen parameters are quantised or packed.
   */
  readonly base?: BaseModel;
  /** Folder of training states; without it nothing is saved and nothing resumed. */
  readonly checkpoints?: string;
  /**
   * Resume from the newest whole state where newer ones are damaged; default false: a damaged
   * newest one is an error.
   */
  readonly skipDamaged?: boolean;
  /** Updates between saves; default only at the end and on a stop. */
  readonly saveEvery?: number;
  /** Complete training states to keep; default 2. */
  readonly keepLast?: number;
  /** Besides, every state whose step is a multiple of this is kept; default none. */
  readonly keepEvery?: number;
  /** Files put beside the weights of every state, by name: the tokenizer, the configuration. */
  readonly extraFiles?: Readonly<Record<string, Uint8Array>>;
  /** Ids of BOS, EOS and padding, for the `config.json` of every state. */
  readonly specialIds?: Partial<SpecialIds>;
  /**
   * What a resumed run must have in common with the saved one, beside the model: tokenizer, data,
   * settings of the run.
   */
  readonly fingerprints?: Readonly<Record<string, string>>;
  /** Updates between evaluations; default only at the end. */
  readonly evaluateEvery?: number;
  /** Held-out samples of an evaluation within the run, from the first on; default all. The one at the end takes all. */
  readonly evaluationSamples?: number;
  /** Consecutive non-finite updates after which the run gives up; default 5. */
  readonly maxSkippedSteps?: number;
  readonly onEvent?: (event: TrainingEvent) => void | Promise<void>;
  /** Seconds; default `performance.now() / 1000`. */
  readonly now?: () => number;
  /** Asks the run to save and stop after the update in progress. */
  readonly signal?: AbortSignal;
}

export type ResolvedOptions = Required<Omit<TrainingOptions, Optional | 'dtype'>> & {
  readonly dtype: ComputeDType;
} & Pick<TrainingOptions, Optional>;

type Optional =
  | 'base'
  | 'validation'
  | 'checkpoints'
  | 'keepEvery'
  | 'specialIds'
  | 'signal'
  | 'trainable'
  | 'optimizer'
  | 'schedule';

const defaults = {
  batchSize: 8,
  learningRate: 3e-4,
  finalLearningRateRatio: 0.1,
  beta1: 0.9,
  beta2: 0.95,
  weightDecay: 0.1,
  gradientClip: 1,
  recompute: 'selective',
  seed: 0,
  skipDamaged: false,
  saveEvery: Infinity,
  keepLast: 2,
  extraFiles: {},
  fingerprints: {},
  evaluateEvery: Infinity,
  evaluationSamples: Infinity,
  maxSkippedSteps: 5,
  objective: nextToken,
  onEvent: () => {},
  now: () => performance.now() / 1000,
} as const;

const required = ['device', 'model', 'data', 'totalSteps'] as const;
const known = [
  ...required,
  'base',
  'validation',
  'microBatchSize',
  'warmupSteps',
  'dtype',
  'checkpoints',
  'keepEvery',
  'specialIds',
  'signal',
  'trainable',
  'optimizer',
  'schedule',
  ...Object.keys(defaults),
];

/** Fills defaults and refuses what cannot be run. */
export function resolveOptions(options: TrainingOptions): ResolvedOptions {
  checkOptions('train', options, known);
  for (const name of required) if (options[name] === undefined) fail('train', `${name} is missing.`);
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const resolved = {
    ...defaults,
    microBatchSize: options.batchSize ?? defaults.batchSize,
    warmupSteps: Math.min(
      Math.max(1, Math.round(options.totalSteps / 100)),
      Math.max(0, options.totalSteps - 1),
    ),
    ...(given as Partial<TrainingOptions>),
    dtype: computeDType(options.device, options.dtype),
  } as unknown as ResolvedOptions; // every required name was seen above
  checkValues(resolved);
  return resolved;
}

/** The dtype that a run computes in on this device. */
export function computeDType(device: Device, wished: ComputeDType | 'auto' = 'auto'): ComputeDType {
  const dtype = wished === 'auto' ? device.preferredDType : wished;
  if (!device.computeDTypes.has(dtype))
    fail(
      'train',
      `${device.name} does not compute in ${dtype}.`,
      `give auto, or one of ${[...device.computeDTypes].join(', ')}`,
    );
  return dtype;
}

/** The shape of the model, whoever made it. */
export function shapeOf(model: LlamaConfig | Llama): LlamaConfig {
  return model instanceof Llama ? model.config : model;
}

/**
 * Settings that change the bits of a run: resuming under others would be another run. What the
 * caller made is in `fingerprints`.
 */
export function settingsOf(options: ResolvedOptions): string {
  const numbers = [
    'totalSteps',
    'batchSize',
    'learningRate',
    'warmupSteps',
    'finalLearningRateRatio',
    'beta1',
    'beta2',
    'weightDecay',
    'gradientClip',
    'seed',
  ] as const;
  const settings = Object.fromEntries(numbers.map((name) => [name, options[name]]));
  return JSON.stringify({ ...settings, contextLength: options.data.contextLength, dtype: options.dtype });
}

function checkValues(options: ResolvedOptions): void {
  const { batchSize, microBatchSize, totalSteps, warmupSteps, data, device } = options;
  const model = shapeOf(options.model);
  if (options.model instanceof Llama && options.model.device !== device)
    fail('train', `the model is of ${options.model.device.name}, the run on ${device.name}.`);
  for (const name of ['totalSteps', 'batchSize', 'microBatchSize', 'keepLast'] as const) {
    if (!Number.isSafeInteger(options[name]) || options[name] < 1)
      fail('train', `${name} is ${options[name]}.`, 'give a whole number of 1 or more');
  }
  if (batchSize % microBatchSize !== 0)
    fail('train', `microBatchSize ${microBatchSize} does not divide batchSize ${batchSize}.`);
  if (!(Number.isInteger(warmupSteps) && warmupSteps >= 0 && warmupSteps < Math.max(2, totalSteps))) {
    fail(
      'train',
      `warmupSteps is ${warmupSteps} of ${totalSteps} steps.`,
      'the warm-up must be shorter than the run',
    );
  }
  const { keepEvery } = options;
  if (keepEvery !== undefined && !(Number.isSafeInteger(keepEvery) && keepEvery >= 1))
    fail('train', `keepEvery is ${keepEvery}.`, 'give a whole number of 1 or more');
  if (!(options.evaluationSamples >= 1))
    fail('train', `evaluationSamples is ${options.evaluationSamples}.`, 'give a number of 1 or more');
  for (const name of ['learningRate', 'gradientClip'] as const) {
    if (!(options[name] > 0 && Number.isFinite(options[name])))
      fail('train', `${name} is ${options[name]}.`, 'give a number above 0');
  }
  checkFit('data', data, model);
  if (options.validation) checkFit('validation', options.validation, model);
}

/** A source can only give what the model takes. */
function checkFit(
  name: string,
  { contextLength, vocabSize }: TrainingSource | ValidationSource,
  model: LlamaConfig,
): void {
  if (contextLength > model.contextLength)
    fail(
      'train',
      `samples of ${name} have ${contextLength} tokens, the model's context ${model.contextLength}.`,
    );
  if (vocabSize !== undefined && vocabSize > model.vocabSize)
    fail(
      'train',
      `${name} has a vocabulary of ${vocabSize}, the model one of ${model.vocabSize}.`,
      'was another tokenizer used?',
    );
}
