import { Llama } from '@cria/layers';
import { fail } from '@cria/tensor';
import { Trainer } from './trainer.ts';
import type { TrainingOptions } from './options.ts';

export interface SpeedMeasurement {
  /** Median seconds of an update. */
  readonly secondsPerStep: number;
  readonly steps: number;
}

/**
 * Times updates of this configuration on a model of its own that is thrown away: as many as fit
 * into `seconds`, at least five, or two where five would take three times as long; the first ones
 * only warm up. A run that should last some minutes fixes its number of steps by this once, before
 * it starts.
 */
export async function measureSpeed(options: TrainingOptions, seconds: number): Promise<SpeedMeasurement> {
  if (options.model instanceof Llama)
    fail('measureSpeed', 'the model would be thrown away.', 'give its configuration');
  const { checkpoints: _, validation: __, signal, ...rest } = options;
  const now = options.now ?? (() => performance.now() / 1000);
  using trainer = await Trainer.open({
    ...rest,
    onEvent: () => {},
    totalSteps: Math.max(options.totalSteps, 1000),
  });
  const times: number[] = [];
  const begin = now();
  const enough = () => {
    const elapsed = now() - begin;
    return times.length >= 5 ? elapsed >= seconds : times.length >= 2 && elapsed >= 3 * seconds;
  };
  while (!signal?.aborted && !enough()) {
    const start = now();
    await trainer.update();
    times.push(now() - start);
  }
  const warm = times.slice(times.length >= 5 ? 2 : 1).sort((a, b) => a - b);
  return { secondsPerStep: warm[warm.length >> 1] ?? Infinity, steps: warm.length };
}
