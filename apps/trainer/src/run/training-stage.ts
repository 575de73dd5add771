import type { TokenDataset } from '@cria/data';
import type { Llama, LlamaConfig } from '@cria/layers';
import type { ComputeDType, Device } from '@cria/tensor';
import type { Tokenizer } from '@cria/tokenizer';
import {
  measureSpeed,
  Trainer,
  type TrainingEvent,
  type TrainingOptions,
  type TrainingResult,
} from '@cria/training';
import type { Context } from '../command.ts';
import { learningRateOf } from '../config/model.ts';
import type { Config } from '../config/schema.ts';
import { MetricsLog } from '../metrics/metrics.ts';
import { count, duration } from '../show/format.ts';
import { Progress } from '../show/progress.ts';
import { runPaths } from './run-file.ts';
import { tokenizerFiles } from './run-tokenizer.ts';
import { sampleText } from './samples.ts';

/** All that the training of a run works with. */
export interface Stage {
  readonly folder: string;
  readonly config: Config;
  readonly device: Device;
  /** What the run computes in. */
  readonly dtype: ComputeDType;
  /** GFLOP/s in that dtype that the device could do at most, where that was measured. */
  readonly peak: number | undefined;
  readonly model: LlamaConfig;
  readonly tokenizer: Tokenizer;
  readonly train: TokenDataset;
  readonly validation: TokenDataset;
  readonly dataFingerprint: string;
  readonly signal: AbortSignal;
  /** Resume from the newest whole state where newer ones are damaged. */
  readonly skipDamaged: boolean;
}

/** Share of the minutes that goes to measuring the speed; the run gets the rest. */
const measuringShare = 0.04;
/** Evaluations, saves and samples between the updates take about this much of a run. */
const overheadShare = 0.06;

/**
 * Number of updates: as configured, or as many as fit into the minutes at the speed this machine
 * has now.
 */
export async function decideSteps(stage: Stage, context: Context): Promise<number> {
  const { training } = stage.config;
  if (training.steps !== undefined) return training.steps;
  const seconds = training.minutes * 60;
  context.out.write('measuring the speed of a step …\n');
  const start = context.now();
  const { secondsPerStep } = await measureSpeed(
    trainingOptions(stage, 1000),
    Math.min(20, seconds * measuringShare),
  );
  const left = seconds * (1 - overheadShare) - (context.now() - start);
  // Fewer than ten updates would be all warm-up.
  return Math.max(10, Math.floor(left / secondsPerStep));
}

/** Trains to the last of `steps` updates, or to a stop; shows and records what happens. */
export async function trainStage(stage: Stage, steps: number, context: Context): Promise<TrainingResult> {
  const { config, tokenizer } = stage;
  const progress = new Progress(context.out, 'training', context.now);
  // Opening a trainer resumes it and already tells of that, before either of these is there.
  const open: { metrics?: MetricsLog; trainer?: Trainer } = {};
  const onEvent = async (event: TrainingEvent): Promise<void> => {
    open.metrics?.record(event);
    show(event, progress, stage.peak);
    if (event.type === 'evaluation' && open.trainer && event.step < steps) {
      for (const prompt of config.training.sample_prompts)
        progress.say(await preview(open.trainer.model, tokenizer, prompt, config.run.seed));
    }
  };
  using trainer = await Trainer.open({ ...trainingOptions(stage, steps), onEvent, signal: stage.signal });
  open.trainer = trainer;
  open.metrics = new MetricsLog(stage.folder, trainer.step, context.time);
  try {
    return await trainer.run();
  } finally {
    progress.end();
    open.metrics.close();
  }
}

/**
 * The configuration as the library takes it. What is not configured follows from the length of the
 * run.
 */
function trainingOptions(stage: Stage, totalSteps: number): TrainingOptions {
  const { config, device, dtype, model, train, validation, tokenizer } = stage;
  const { training } = config;
  const paths = runPaths(stage.folder);
  // Saves and evaluations ten times a run, unless they are configured or would take too much of the
  // time.
  const tenth = Math.max(1, Math.ceil(totalSteps / 10));
  return {
    device,
    model,
    data: train,
    validation: firstWindows(validation, finalWindows(config, totalSteps)),
    totalSteps,
    batchSize: training.batch_size,
    microBatchSize: training.micro_batch_size ?? training.batch_size,
    learningRate: learningRateOf(config, model),
    warmupSteps:
      training.warmup_steps ??
      Math.min(Math.max(1, Math.round(totalSteps / 50)), Math.max(0, totalSteps - 1)),
    finalLearningRateRatio: training.final_learning_rate_ratio,
    beta1: training.beta1,
    beta2: training.beta2,
    weightDecay: training.weight_decay,
    gradientClip: training.gradient_clip,
    dtype,
    recompute: training.recompute,
    seed: config.run.seed,
    checkpoints: paths.checkpoints,
    skipDamaged: stage.skipDamaged,
    saveEvery: training.save_every ?? tenth,
    keepLast: training.keep_last,
    ...(training.keep_every === undefined ? {} : { keepEvery: training.keep_every }),
    evaluateEvery:
      training.evaluate_every ?? Math.max(tenth, stepsWorth(training, training.evaluation_windows) * 20),
    evaluationSamples: training.evaluation_windows,
    extraFiles: tokenizerFiles(stage.folder),
    // So that a saved state, opened as a model, ends its texts where this tokenizer does.
    specialIds: { bos: tokenizer.bosId, eos: tokenizer.eosId === undefined ? [] : [tokenizer.eosId] },
    // A resumed run must go on with the same ids of the same texts.
    fingerprints: { data: stage.dataFingerprint, tokenizer: tokenizer.fingerprint },
  };
}

/**
 * Held-out windows of the evaluation at the end: no more than take a twelfth of the time that the
 * training took.
 */
export function finalWindows({ data, training }: Config, totalSteps: number): number {
  const windowsAStep = training.batch_size * 3; // an update costs three times a forward pass
  return Math.min(data.max_validation_windows, Math.max(1, Math.floor((totalSteps * windowsAStep) / 12)));
}

/** Updates that take as long as an evaluation over so many windows. */
function stepsWorth({ batch_size }: Config['training'], windows: number): number {
  return Math.ceil(windows / (3 * batch_size));
}

/** At most so many held-out windows. */
function firstWindows(validation: TokenDataset, most: number): NonNullable<TrainingOptions['validation']> {
  const { contextLength, vocabSize } = validation;
  return {
    contextLength,
    vocabSize,
    length: Math.min(most, validation.samples),
    batch: (position, size) => validation.batch(position, size),
  };
}

/** A short continuation on one line, to see the model learn. */
async function preview(model: Llama, tokenizer: Tokenizer, prompt: string, seed: number): Promise<string> {
  const text = await sampleText(model, tokenizer, prompt, {
    maxTokens: 48,
    temperature: 0.8,
    topP: 0.95,
    seed,
  });
  return `  ${JSON.stringify(prompt + text)
    .slice(1, -1)
    .slice(0, 160)}`;
}

/** What a person sees of an event; the numbers themselves go to the metrics file. */
function show(event: TrainingEvent, progress: Progress, peak: number | undefined): void {
  if (event.type === 'step') {
    const { step, totalSteps, loss, tokensPerSecond, flopsPerSecond, seconds } = event;
    const gflops = flopsPerSecond / 1e9;
    const use =
      peak === undefined ? `${gflops.toFixed(0)} GFLOP/s` : `MFU ${((100 * gflops) / peak).toFixed(0)} %`;
    progress.draw(
      step / totalSteps,
      `step ${step}/${totalSteps}  loss ${loss.toFixed(3)}  ${count(tokensPerSecond)} tokens/s  ${use}`,
      (totalSteps - step) * seconds,
    );
  } else if (event.type === 'evaluation') {
    progress.say(
      `step ${event.step}: held-out loss ${event.loss.toFixed(4)} (${count(event.tokens)} tokens, ` +
        `${duration(event.seconds)})`,
    );
  } else if (event.type === 'resumed') {
    for (const { folder, reason } of event.damaged) progress.say(`left out ${folder}: ${reason}`);
    progress.say(`going on from step ${event.step}`);
  } else if (event.type === 'skipped') {
    progress.say(`step ${event.step}: no update, ${event.reason}`);
  } else if (event.type === 'stopped') {
    progress.say(`stopped at step ${event.step}; the same command goes on from there`);
  }
}
