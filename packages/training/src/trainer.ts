import {
  BackgroundSaver,
  listTrainingStates,
  loadTrainingState,
  type SaveTrainingStateResult,
} from '@cria/checkpoint';
import { Llama } from '@cria/layers';
import {
  AdamW,
  clipFactor,
  cosineSchedule,
  gradientNorm,
  nonFiniteGradients,
  type Optimizer,
  type Schedule,
} from '@cria/optimizers';
import { accumulatorDType, fail } from '@cria/tensor';
import type { EvaluationReport, SkippedReport, StepReport, TrainingEvent } from './events.ts';
import { flopsPerToken } from './flops.ts';
import { addGradients, type LossSum, sumLosses } from './gradient.ts';
import { type ResolvedOptions, resolveOptions, settingsOf, type TrainingOptions } from './options.ts';

export interface TrainingResult {
  /** `stopped`: the signal asked for it, and the run can be resumed. */
  readonly status: 'finished' | 'stopped';
  readonly step: number;
  readonly totalTokens: number;
  /** Held-out loss at the end of the run, where there is held-out data. */
  readonly validationLoss: number | undefined;
}

/**
 * One training run. Its whole state is weights, moments and a few counters, so that a run which was
 * stopped or killed and opened again goes on with the same bits as one that was not.
 */
export class Trainer implements Disposable {
  readonly options: ResolvedOptions;
  readonly model: Llama;
  readonly optimizer: Optimizer;
  #schedule: Schedule;
  #flopsPerToken: number;
  #step = 0;
  #totalTokens = 0;
  #skippedInARow = 0;
  /** Step of the newest state that is on disk or on its way there. */
  #savedStep = -1;
  readonly #saver: BackgroundSaver | undefined;
  /** Seconds that the save on its way has held up the training. */
  #savePause = 0;

  private constructor(options: ResolvedOptions) {
    const { device, model, data } = options;
    this.options = options;
    this.model = model instanceof Llama ? model : new Llama(model, { device });
    try {
      this.#allocate();
      this.optimizer = this.#makeOptimizer();
      this.#schedule = options.schedule ?? cosineOf(options);
    } catch (error) {
      this.model[Symbol.dispose]();
      throw error;
    }
    this.#flopsPerToken = flopsPerToken(this.model.config, data.contextLength);
    const { checkpoints, keepLast, keepEvery } = options;
    if (checkpoints !== undefined)
      this.#saver = new BackgroundSaver(checkpoints, {
        keepLast,
        ...(keepEvery === undefined ? {} : { keepEvery }),
      });
  }

  /** Products round wide weights to the activations' halves as they pack them, and no rounded copy is kept. */
  #allocate(): void {
    const { dtype, checkpoints, base, trainable = ({ bound }) => !bound } = this.options;
    const { parameters } = this.model;
    for (const parameter of parameters.parameters) parameter.frozen = !trainable(parameter);
    const given = parameters.parameters.find(({ bound, frozen }) => bound && frozen);
    if (checkpoints !== undefined && given && !base)
      fail(
        'train',
        `${given.name} is frozen and was given its value, and states are to be saved.`,
        'say whose values these are: base, by baseModelOf() of their checkpoint',
      );
    if (parameters.parameters.every(({ frozen }) => frozen))
      fail('train', 'no parameter is trainable.', 'look at the option trainable');
    parameters.allocate({ dtype: accumulatorDType(dtype), gradients: 'borrowed' });
  }

  #makeOptimizer(): Optimizer {
    const { optimizer, beta1, beta2, weightDecay } = this.options;
    const { parameters } = this.model;
    return optimizer?.(parameters) ?? new AdamW(parameters, { beta1, beta2, weightDecay });
  }

  /** Builds the model and either initialises it or goes on from the newest complete training state. */
  static async open(options: TrainingOptions): Promise<Trainer> {
    const trainer = new Trainer(resolveOptions(options));
    try {
      if (!(await trainer.#resume())) trainer.model.parameters.initialize(trainer.options.seed);
    } catch (error) {
      trainer[Symbol.dispose]();
      throw error;
    }
    return trainer;
  }

  /** Updates done (skipped ones included); the position in the data is this many batches. */
  get step(): number {
    return this.#step;
  }

  get totalTokens(): number {
    return this.#totalTokens;
  }

  /**
   * Trains to the end, or until the signal. Saves in both cases where a checkpoint folder is given,
   * and ends when everything is on disk.
   */
  async run(): Promise<TrainingResult> {
    try {
      return await this.#run();
    } catch (error) {
      await this.#endSaving(error);
      throw error;
    }
  }

  async #run(): Promise<TrainingResult> {
    const { totalSteps, saveEvery, evaluateEvery, evaluationSamples, signal } = this.options;
    let evaluation: EvaluationReport | undefined;
    while (this.#step < totalSteps && !signal?.aborted) {
      await this.update();
      if (this.#step % evaluateEvery === 0 && this.#step < totalSteps) await this.evaluate(evaluationSamples);
      if (this.#step % saveEvery === 0 && this.#step < totalSteps) await this.save();
    }
    const finished = this.#step >= totalSteps;
    if (finished) evaluation = await this.evaluate();
    await this.save();
    await this.finishSaving();
    await this.#emit({ type: finished ? 'finished' : 'stopped', step: this.#step });
    return {
      status: finished ? 'finished' : 'stopped',
      step: this.#step,
      totalTokens: this.#totalTokens,
      validationLoss: evaluation?.loss,
    };
  }

  /**
   * One optimizer update over `batchSize` samples. An update whose loss or gradient is not finite
   * changes no weight. Throws where a save that was on its way has failed; the states before it are
   * whole.
   */
  async update(): Promise<StepReport | SkippedReport> {
    await eventLoopTurn(); // news of a save, signals
    await this.#tellSaved(this.#hearOfSave());
    const { gradientClip, now } = this.options;
    const { parameters } = this.model;
    const start = now();
    parameters.clearGradients();
    const { sum, tokens } = await this.#accumulate();
    const norm = (await gradientNorm(parameters)) / tokens;
    const loss = sum / tokens;
    this.#step++;
    this.#totalTokens += this.options.batchSize * this.options.data.contextLength;
    if (!(Number.isFinite(loss) && Number.isFinite(norm))) return this.#skip(loss, norm, tokens);
    this.#skippedInARow = 0;
    const clip = clipFactor(norm, gradientClip);
    const learningRate = this.#schedule(this.#step);
    this.optimizer.step({ learningRate, gradientScale: clip / tokens });
    await this.options.device.flush();
    return this.#report({ loss, learningRate, gradientNorm: norm, clipFactor: clip }, now() - start);
  }

  /** Mean loss over the first `samples` held-out samples, or all. */
  async evaluate(samples = Infinity): Promise<EvaluationReport | undefined> {
    const { validation, microBatchSize, dtype, objective, now } = this.options;
    if (!validation || validation.length === 0) return undefined;
    const start = now();
    const end = Math.min(samples, validation.length);
    let total: LossSum = { sum: 0, tokens: 0 };
    for (let position = 0; position < end; position += microBatchSize) {
      const batch = validation.batch(position, Math.min(microBatchSize, end - position));
      total = await sumLosses(this.model, batch, { dtype, objective }, total);
    }
    const { sum, tokens } = total;
    const report = { step: this.#step, loss: sum / tokens, tokens, seconds: now() - start };
    await this.#emit({ type: 'evaluation', ...report });
    return report;
  }

  /**
   * Copies the state and goes on; a thread writes it, whole or not at all. Waits for the state
   * before it, if that is still being written. Nothing where there is no checkpoint folder or this
   * step is saved already.
   */
  async save(): Promise<void> {
    const { base, extraFiles, specialIds, fingerprints, now } = this.options;
    if (!this.#saver || this.#savedStep === this.#step) return;
    const start = now();
    await this.finishSaving();
    await this.#saver.save({
      step: this.#step,
      config: this.model.config,
      parameters: this.model.parameters,
      counters: {
        updates: this.optimizer.updates,
        totalTokens: this.#totalTokens,
        skippedInARow: this.#skippedInARow,
      },
      fingerprints: { ...fingerprints, settings: settingsOf(this.options) },
      extraFiles,
      ...(specialIds ? { specialIds } : {}),
      ...(base ? { base } : {}),
    });
    this.#savedStep = this.#step;
    this.#savePause = now() - start;
  }

  /** Waits until the state that is being written is on disk. Throws where it failed; the states before it are whole. */
  async finishSaving(): Promise<void> {
    try {
      await this.#tellSaved(await this.#saver?.finish());
    } catch (error) {
      this.#savedStep = -1;
      throw error;
    }
  }

  /**
   * Gives the model's memory back. A save that nobody waited for goes on; its error, if it has one,
   * ends up as nobody's.
   */
  [Symbol.dispose](): void {
    void this.#saver?.[Symbol.asyncDispose]();
    this.model[Symbol.dispose]();
  }

  /** The save that has ended since the last look, if one has. */
  #hearOfSave(): SaveTrainingStateResult | undefined {
    try {
      return this.#saver?.poll();
    } catch (error) {
      this.#savedStep = -1;
      throw error;
    }
  }

  async #tellSaved(saved: SaveTrainingStateResult | undefined): Promise<void> {
    if (!saved) return;
    const { step, folder, notRemoved } = saved;
    await this.#emit({ type: 'saved', step, folder, notRemoved, seconds: this.#savePause });
  }

  /** After an error: what is being written gets its time, and where that fails too, both are told. */
  async #endSaving(error: unknown): Promise<void> {
    try {
      await this.finishSaving();
    } catch (second) {
      const [first, then] = [error, second].map((each) =>
        each instanceof Error ? each.message : String(each),
      );
      fail('train', `${first} Besides, the last save failed: ${then}`, undefined, error);
    }
  }

  async #accumulate(): Promise<LossSum> {
    const { data, batchSize, microBatchSize, dtype, recompute, objective } = this.options;
    let total: LossSum | undefined;
    for (let sample = 0; sample < batchSize; sample += microBatchSize) {
      const batch = data.batch(this.#step * batchSize + sample, microBatchSize);
      total = await addGradients(this.model, batch, { dtype, recompute, objective }, total);
    }
    if (!total?.tokens)
      fail(
        'train',
        `no token of step ${this.#step + 1} has a target.`,
        'check the data: every document may be one token long',
      );
    return total;
  }

  async #report(
    values: Pick<StepReport, 'loss' | 'learningRate' | 'gradientNorm' | 'clipFactor'>,
    seconds: number,
  ): Promise<StepReport> {
    const tokens = this.options.batchSize * this.options.data.contextLength;
    const tokensPerSecond = tokens / seconds;
    const report: StepReport = {
      step: this.#step,
      totalSteps: this.options.totalSteps,
      ...values,
      tokens,
      totalTokens: this.#totalTokens,
      seconds,
      tokensPerSecond,
      flopsPerSecond: tokensPerSecond * this.#flopsPerToken,
    };
    await this.#emit({ type: 'step', ...report });
    return report;
  }

  async #skip(loss: number, norm: number, tokens: number): Promise<SkippedReport> {
    const what = Number.isFinite(loss)
      ? `gradient norm is ${norm}${await this.#culprits()}`
      : `loss is ${loss}`;
    const report = { step: this.#step, loss, gradientNorm: norm, reason: `${what} over ${tokens} tokens` };
    await this.#emit({ type: 'skipped', ...report });
    if (++this.#skippedInARow >= this.options.maxSkippedSteps) {
      fail(
        'train',
        `${this.#skippedInARow} updates in a row were not finite, the last at step ${this.#step}: ${what}.`,
        'lower the learning rate or lengthen the warm-up; the last saved state is clean',
      );
    }
    return report;
  }

  /** Parameters whose gradients are not finite, the first few. */
  async #culprits(): Promise<string> {
    const names = await nonFiniteGradients(this.model.parameters);
    if (names.length === 0) return '';
    return ` (${names.slice(0, 3).join(', ')}${names.length > 3 ? ` and ${names.length - 3} more` : ''})`;
  }

  async #resume(): Promise<boolean> {
    const { checkpoints, skipDamaged } = this.options;
    if (checkpoints === undefined || (await listTrainingStates(checkpoints)).length === 0) return false;
    const state = await loadTrainingState(checkpoints, { fallback: skipDamaged });
    this.#checkFingerprints(state.fingerprints);
    await state.load(this.model.parameters, this.options.base);
    const { updates = 0, totalTokens = 0, skippedInARow = 0 } = state.counters as Record<string, number>;
    this.#step = state.step;
    this.#savedStep = state.step;
    this.#totalTokens = totalTokens;
    this.#skippedInARow = skippedInARow;
    this.optimizer.counters = { updates };
    const position = this.#step * this.options.batchSize;
    await this.#emit({ type: 'resumed', step: this.#step, position, damaged: state.damaged });
    return true;
  }

  #checkFingerprints(saved: Readonly<Record<string, string>>): void {
    const wanted: Record<string, string> = {
      ...this.options.fingerprints,
      settings: settingsOf(this.options),
    };
    for (const name of new Set([...Object.keys(saved), ...Object.keys(wanted)])) {
      if (saved[name] === wanted[name]) continue;
      fail(
        'train',
        `the saved run has ${name} ${saved[name] ?? 'unset'}, this one ${wanted[name] ?? 'unset'}.`,
        'resume with the same configuration and data, or train into another folder',
      );
    }
  }

  async #emit(event: TrainingEvent): Promise<void> {
    await this.options.onEvent(event);
  }
}

/** The schedule of the paper, from the settings. */
function cosineOf(options: ResolvedOptions): Schedule {
  return cosineSchedule({
    maxLearningRate: options.learningRate,
    warmupSteps: options.warmupSteps,
    totalSteps: options.totalSteps,
    finalRatio: options.finalLearningRateRatio,
  });
}

/** Trains a LLaMA from the first step, or from where a run in the same folder stopped, to the last. */
export async function train(options: TrainingOptions): Promise<TrainingResult> {
  using trainer = await Trainer.open(options);
  return await trainer.run();
}

/** Lets timers, signals and messages of other threads in, which a computation in the caller keeps out. */
function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
