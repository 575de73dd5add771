import { Trainer } from './trainer.ts';
import type { TrainingOptions } from './options.ts';

export interface SpeedMeasurement {
  /** Median seconds of an update. */
  readonly secondsPerStep: number;
  readonly steps: number;
}

/**
 * Times updates of this configuration on a model of its own that is thrown away: after two for warming up, as many as fit into
 * `seconds`, at least three. A run that should last some minutes fixes its number of steps by this once, before it starts.
 */
export async function measureSpeed(options: TrainingOptions, seconds: number): Promise<SpeedMeasurement> {
  const { checkpoints: _, validation: __, signal, ...rest } = options;
  const now = options.now ?? (() => performance.now() / 1000);
  using trainer = await Trainer.open({
    ...rest,
    onEvent: () => {},
    totalSteps: Math.max(options.totalSteps, 1000),
  });
  const times: number[] = [];
  const end = now() + seconds;
  for (let step = 0; (step < 5 || now() < end) && !signal?.aborted; step++) {
    const start = now();
    await trainer.update();
    if (step >= 2) times.push(now() - start);
  }
  times.sort((a, b) => a - b);
  return { secondsPerStep: times[times.length >> 1] ?? Infinity, steps: times.length };
}
