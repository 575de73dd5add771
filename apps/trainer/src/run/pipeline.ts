import { resolve } from 'node:path';
import { listTrainingStates, openCheckpoint } from '@cria/checkpoint';
import { TokenDataset, unigramLoss } from '@cria/data';
import { writeWhole } from '@cria/files';
import { countParameters, Llama, planMemory } from '@cria/layers';
import { type ComputeDType, type Device, fail } from '@cria/tensor';
import type { Tokenizer } from '@cria/tokenizer';
import { computeDType } from '@cria/training';
import type { Context } from '../command.ts';
import { printConfig } from '../config/load.ts';
import { contextLengthOf, modelOf } from '../config/model.ts';
import type { Config } from '../config/schema.ts';
import { readHistory } from '../metrics/metrics.ts';
import { bytes, count } from '../show/format.ts';
import { summary } from '../show/summary.ts';
import { lossCurveSvg } from '../show/svg.ts';
import { dataStage } from './data-stage.ts';
import { openRunDevice } from './device.ts';
import { runKey } from './key.ts';
import { RunLock } from './lock.ts';
import { readRunFile, type RunFile, runPaths, writeRunFile } from './run-file.ts';
import { sampleText } from './samples.ts';
import { stopSignal } from './stop.ts';
import { tokenizerStage } from './tokenizer-stage.ts';
import { decideSteps, finalWindows, type Stage, trainStage } from './training-stage.ts';

/** What does not belong to the configuration, since it does not make another run. */
export interface RunOptions {
  /** Go on from the newest whole training state where newer ones are damaged; default false. */
  readonly skipDamaged?: boolean;
}

/** How a run ended. */
export interface RunOutcome {
  readonly folder: string;
  /** Whether there is a model to serve: the run is finished, not stopped. */
  readonly finished: boolean;
}

/**
 * From a configuration to a trained model, or to the one that was trained before; every stage is
 * done once and resumed where it stopped.
 */
export async function runPipeline(
  config: Config,
  context: Context,
  { skipDamaged = false }: RunOptions = {},
): Promise<RunOutcome> {
  const key = runKey(config);
  const folder = resolve(config.run.folder ?? `runs/${key.slice(0, 12)}`);
  const paths = runPaths(folder);
  let run: RunFile = readRunFile(folder) ?? { version: 1, key };
  // The folder was named: what lies in it must be this run, not merely a run.
  if (run.key !== key) refuseOtherRun(folder);
  if (run.finished && (await listTrainingStates(paths.checkpoints)).length > 0) {
    context.out.write(`found the finished run ${folder}\n`);
    return { folder, finished: true };
  }
  // Held to the end, whatever ends it: two processes would write over each other's states.
  using _lock = new RunLock(paths.lock);
  writeRunFile(folder, run);
  writeWhole(paths.config, printConfig(config));
  using stop = stopSignal(context.out, 'saving and stopping …');
  const update = (fields: Partial<RunFile>) => writeRunFile(folder, (run = { ...run, ...fields }));

  const tokenizer = await tokenizerStage(config, folder, context, stop.signal);
  if (!tokenizer) return { folder, finished: false };
  const dataFingerprint = await dataStage(config, folder, tokenizer, context, stop.signal);
  if (dataFingerprint === undefined) return { folder, finished: false };

  using device = await openRunDevice(config.run, (line) => context.errors.write(`${line}\n`));
  // Another device might choose otherwise, and the run would be another one.
  const dtype = run.dtype ?? computeDType(device, config.training.dtype);
  const opened = await openStage(config, folder, tokenizer, dataFingerprint, device, dtype, stop.signal);
  const stage = { ...opened, skipDamaged };
  describeStage(stage, context);
  const steps = run.steps ?? (await decideSteps(stage, context));
  if (stop.signal.aborted) return { folder, finished: false };
  const heldOutSamples = finalWindows(config, steps);
  update({
    dtype,
    steps,
    unigramLoss: run.unigramLoss ?? unigramLoss(stage.train, stage.validation, { heldOutSamples }).loss,
  });

  // From here on the time is training's own: a resumed run tells of its last part.
  const start = context.now();
  const result = await trainStage(stage, steps, context);
  const history = readHistory(folder);
  const title = `${count(countParameters(stage.model))} parameters`;
  writeWhole(paths.curve, lossCurveSvg(history, title, run.unigramLoss));
  if (result.status === 'stopped') return { folder, finished: false };

  const samples = await finalSamples(stage, result.step);
  writeWhole(paths.samples, samples);
  const seconds = context.now() - start;
  update({ finished: { validationLoss: result.validationLoss, totalTokens: result.totalTokens, seconds } });
  context.out.write(summary({ history, ...run, samples }, paths, context.out.columns));
  return { folder, finished: true };
}

/**
 * All that training needs, opened: both splits of the data, the shape of the model, the peak of the
 * device.
 */
async function openStage(
  config: Config,
  folder: string,
  tokenizer: Tokenizer,
  dataFingerprint: string,
  device: Device,
  dtype: ComputeDType,
  signal: AbortSignal,
): Promise<Omit<Stage, 'skipDamaged'>> {
  const open = (split: 'train' | 'validation') =>
    TokenDataset.open(runPaths(folder).data, {
      split,
      contextLength: contextLengthOf(config),
      seed: config.run.seed,
      tokenizerFingerprint: tokenizer.fingerprint,
    });
  const [train, validation] = [await open('train'), await open('validation')];
  const model = modelOf(config, tokenizer.vocabSize);
  const peak = device.abilities.measurePeak?.(dtype);
  return {
    folder,
    config,
    device,
    dtype,
    peak,
    model,
    tokenizer,
    train,
    validation,
    dataFingerprint,
    signal,
  };
}

/** What will be trained where, and whether it fits, before it starts. */
function describeStage({ config, device, dtype, peak, model, train }: Stage, { out }: Context): void {
  const { recompute, batch_size, micro_batch_size = batch_size } = config.training;
  const rows = micro_batch_size * train.contextLength;
  const passes = batch_size / micro_batch_size;
  const plan = planMemory(model, { rows, dtype, recompute, training: true, passes });
  const { dim, nLayers, nHeads, nKvHeads, vocabSize } = model;
  out.write(
    `device     ${device.description}${peak === undefined ? '' : `, ${dtype} peak ${peak.toFixed(0)} GFLOP/s`}\n`,
  );
  out.write(
    `numbers    ${dtype}${dtype === 'f32' ? '' : ' with f32 masters'}` +
      `${config.training.dtype === 'auto' ? ', the fastest of this device' : ''}\n`,
  );
  out.write(
    `model      ${count(countParameters(model))} parameters: width ${dim}, ${nLayers} layers, ` +
      `${nHeads}/${nKvHeads} heads, ${vocabSize} pieces\n`,
  );
  const copy = 12 * countParameters(model); // f32 weights and both moments
  out.write(
    `memory     ${bytes(plan.total)} planned, ${bytes(plan.arena)} of it for activations and gradients; ` +
      `${bytes(copy)} more for the copy that is saved\n`,
  );
}

/** Texts from the weights as they were saved, so that what is shown is what will be served. */
async function finalSamples(
  { folder, config, device, model: shape, tokenizer }: Stage,
  step: number,
): Promise<string> {
  const state = (await listTrainingStates(runPaths(folder).checkpoints)).findLast(
    (saved) => saved.step === step,
  );
  const checkpoint = await openCheckpoint(state!.folder);
  using model = new Llama(shape, { device });
  model.parameters.allocate();
  await checkpoint.load(model.parameters);
  const texts: string[] = [];
  for (const prompt of config.training.sample_prompts) {
    for (const seed of [1, 2]) {
      const text = await sampleText(model, tokenizer, prompt, {
        maxTokens: Math.min(100, shape.contextLength - 2),
        temperature: 0.7,
        topP: 0.9,
        seed,
      });
      texts.push(
        `── ${prompt === '' ? 'from nothing' : JSON.stringify(prompt)}, seed ${seed}\n${prompt}${text}`,
      );
    }
  }
  return texts.join('\n') + '\n';
}

/** Two configurations in one folder would mix their states. */
function refuseOtherRun(folder: string): never {
  return fail(
    'run',
    `${folder} holds a run of another configuration or other data.`,
    `choose another folder; its settings are in ${runPaths(folder).config}`,
  );
}
