import { checkOptions, fail } from '@cria/tensor';

/** Learning rate of update `step`, counted from 1. Pure: a resumed run needs nothing but the number. */
export type Schedule = (step: number) => number;

interface Warmup {
  readonly maxLearningRate: number;
  /** W: update t ≤ W has maxLearningRate · t / W, so that the first is not 0; default 0. */
  readonly warmupSteps?: number;
}

interface Decay extends Warmup {
  /** N: the update that reaches the final rate; later ones keep it. */
  readonly totalSteps: number;
  /** Final over largest rate. */
  readonly finalRatio?: number;
}

export type ConstantScheduleOptions = Warmup;
/** `finalRatio` is 0 by default. */
export type LinearScheduleOptions = Decay;
/** `finalRatio` is 0.1 by default, as in the paper. */
export type CosineScheduleOptions = Decay;
export interface WsdScheduleOptions extends Decay {
  /** Updates of the decay at the end; default a fifth of totalSteps. */
  readonly decaySteps?: number;
  /** How the rate falls: `sqrt` 1 − √x (default; Hägele et al. 2024), `linear` 1 − x, over x from 0 to 1. */
  readonly shape?: 'sqrt' | 'linear';
}

const WARMUP = ['maxLearningRate', 'warmupSteps'];
const DECAY = [...WARMUP, 'totalSteps', 'finalRatio'];

/** Linear warm-up, then always the same rate. */
export function constantSchedule(options: ConstantScheduleOptions): Schedule {
  checkOptions('constantSchedule', options, WARMUP);
  return warmedUp('constantSchedule', options, () => options.maxLearningRate);
}

/** Linear warm-up, then in a straight line down to `finalRatio`. */
export function linearSchedule(options: LinearScheduleOptions): Schedule {
  checkOptions('linearSchedule', options, DECAY);
  return decaying('linearSchedule', { finalRatio: 0, ...options }, (x) => 1 - x);
}

/** Linear warm-up, then half a cosine down to `finalRatio` (Touvron et al. 2023, section 2.3). */
export function cosineSchedule(options: CosineScheduleOptions): Schedule {
  checkOptions('cosineSchedule', options, DECAY);
  return decaying('cosineSchedule', { finalRatio: 0.1, ...options }, (x) => (1 + Math.cos(Math.PI * x)) / 2);
}

/**
 * Warm-up, stable, decay (Hu et al. 2024): the stable part has no end of its own, so a run may be
 * prolonged before the decay.
 */
export function wsdSchedule(options: WsdScheduleOptions): Schedule {
  checkOptions('wsdSchedule', options, [...DECAY, 'decaySteps', 'shape']);
  const { totalSteps, warmupSteps = 0, decaySteps = Math.ceil(totalSteps / 5), shape = 'sqrt' } = options;
  if (!(Number.isInteger(decaySteps) && decaySteps >= 1 && decaySteps <= totalSteps - warmupSteps)) {
    fail(
      'wsdSchedule',
      `decaySteps is ${decaySteps} of ${totalSteps}, ${warmupSteps} of them warm-up.`,
      'the decay must fit after the warm-up',
    );
  }
  if (shape !== 'sqrt' && shape !== 'linear')
    fail('wsdSchedule', `shape is "${shape}".`, 'it can be "sqrt" or "linear"');
  const stable = 1 - decaySteps / (totalSteps - warmupSteps);
  const fall = shape === 'sqrt' ? Math.sqrt : (x: number) => x;
  return decaying(
    'wsdSchedule',
    { finalRatio: 0, ...options },
    (x) => 1 - fall(Math.max(0, (x - stable) / (1 - stable))),
  );
}

/** `curve` goes from 1 at x = 0, the end of the warm-up, to 0 at x = 1, the last update. */
function decaying(
  op: string,
  options: Decay & { readonly finalRatio: number },
  curve: (x: number) => number,
): Schedule {
  const { totalSteps, warmupSteps = 0, finalRatio } = options;
  if (!(Number.isInteger(totalSteps) && totalSteps >= 1))
    fail(op, `totalSteps is ${totalSteps}.`, 'give a whole number above 0');
  if (!(warmupSteps < totalSteps))
    fail(op, `warmupSteps ${warmupSteps} leave nothing of ${totalSteps} steps.`, 'warm up for less');
  if (!(finalRatio >= 0 && finalRatio <= 1))
    fail(op, `finalRatio is ${finalRatio}.`, 'give a number from 0 to 1');
  const { maxLearningRate: high } = options;
  const low = finalRatio * high;
  return warmedUp(op, options, (step) => {
    const x = Math.min(1, (step - warmupSteps) / (totalSteps - warmupSteps));
    return low + (high - low) * curve(x);
  });
}

function warmedUp(
  op: string,
  { maxLearningRate, warmupSteps = 0 }: Warmup,
  afterwards: (step: number) => number,
): Schedule {
  if (!(Number.isFinite(maxLearningRate) && maxLearningRate >= 0))
    fail(op, `maxLearningRate is ${maxLearningRate}.`, 'give 0 or more');
  if (!(Number.isInteger(warmupSteps) && warmupSteps >= 0))
    fail(op, `warmupSteps is ${warmupSteps}.`, 'give a whole number');
  return (step) => {
    if (!(step >= 1)) fail(op, `there is no learning rate for update ${step}.`, 'updates count from 1');
    return step <= warmupSteps ? (maxLearningRate * step) / warmupSteps : afterwards(step);
  };
}
