import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TrainingEvent } from '@cria/training';
import { TensorBoardWriter } from './tensorboard.ts';

/** A loss and when it was: one point of a curve. */
export interface StepMetric {
  readonly step: number;
  readonly loss: number;
}

/** Losses of a run, read back from its metrics file. */
export interface LossHistory {
  readonly train: readonly StepMetric[];
  readonly validation: readonly StepMetric[];
}

/** `metrics.jsonl`, one event a line, and the same numbers for TensorBoard. */
export class MetricsLog {
  #path: string;
  #board: TensorBoardWriter;
  #now: () => number;

  /**
   * `now` is Unix time in seconds. Lines after `fromStep` belong to work that a resumed run does
   * again, and are dropped.
   */
  constructor(folder: string, fromStep: number, now: () => number) {
    this.#path = metricsPath(folder);
    this.#now = now;
    mkdirSync(join(folder, 'tensorboard'), { recursive: true });
    this.#board = new TensorBoardWriter(join(folder, 'tensorboard'), now());
    if (existsSync(this.#path)) {
      // Its lines would be there twice otherwise, and the curve would run back and forth.
      const kept = readLines(this.#path).filter((line) => (line.step ?? 0) <= fromStep);
      writeFileSync(this.#path, kept.map((line) => JSON.stringify(line) + '\n').join(''));
    }
  }

  /** Writes at once: what happened is on the disk when the process is killed. */
  record(event: TrainingEvent): void {
    const time = this.#now();
    appendFileSync(this.#path, JSON.stringify({ time, ...event }) + '\n');
    if (event.type === 'step') {
      this.#board.scalars(event.step, time, {
        'train/loss': event.loss,
        'train/learning_rate': event.learningRate,
        'train/gradient_norm': event.gradientNorm,
        'train/tokens_per_second': event.tokensPerSecond,
      });
    } else if (event.type === 'evaluation') {
      this.#board.scalars(event.step, time, { 'validation/loss': event.loss });
    }
  }

  close(): void {
    this.#board.close();
  }
}

/** The losses so far; none where nothing was recorded yet. */
export function readHistory(folder: string): LossHistory {
  const path = metricsPath(folder);
  const lines = existsSync(path) ? readLines(path) : [];
  const pick = (type: string) =>
    lines.flatMap(({ type: t, step, loss }) =>
      t === type && step !== undefined && typeof loss === 'number' ? [{ step, loss }] : [],
    );
  return { train: pick('step'), validation: pick('evaluation') };
}

function metricsPath(folder: string): string {
  return join(folder, 'metrics.jsonl');
}

/** A line that a kill cut short is not a line. */
function readLines(path: string): { type?: string; step?: number; loss?: number }[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => JSON.parse(line) as { type?: string; step?: number; loss?: number });
}
