import { describe, expect, test } from 'vitest';
import { readVectorJson, vectorCases } from '../../../scripts/support/vectors.ts';
import { clipFactor, cosineSchedule } from '../src/index.ts';

/** Settings and steps of training runs by torch. */
interface Expected {
  readonly optimizer: {
    max_lr: number;
    warmup_steps: number;
    total_steps: number;
    final_lr_ratio: number;
    max_grad_norm: number;
  };
  readonly steps: { step: number; lr: number; grad_norm: number; clipped: boolean }[];
}

describe('a training run of torch', () => {
  test.each(vectorCases('training', 'expected.json'))('%s: learning rates and clipping', (name) => {
    const { optimizer, steps }: Expected = readVectorJson(`training/${name}/expected.json`);
    const rate = cosineSchedule({
      maxLearningRate: optimizer.max_lr,
      warmupSteps: optimizer.warmup_steps,
      totalSteps: optimizer.total_steps,
      finalRatio: optimizer.final_lr_ratio,
    });
    for (const { step, lr, grad_norm: norm, clipped } of steps) {
      expect(Math.abs(rate(step) / lr - 1), `step ${step}`).toBeLessThan(4e-16);
      expect(clipFactor(norm, optimizer.max_grad_norm) < 1).toBe(clipped);
    }
  });
});
