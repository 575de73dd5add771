import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { clipFactor, cosineSchedule } from '../src/index.ts';

/** Settings and steps of training runs by torch; they lie beside the checkout, not in it. */
const folder = new URL('../../../../shared/fixtures/training/', import.meta.url);
if (!existsSync(folder))
  console.log(`optimizers: no fixtures at ${folder.pathname}; the comparisons with torch are skipped`);

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

describe.skipIf(!existsSync(folder))('a training run of torch', () => {
  test.each(['mha', 'gqa'])('%s: learning rates and clipping', (name) => {
    const { optimizer, steps }: Expected = JSON.parse(
      readFileSync(new URL(`${name}/expected.json`, folder), 'utf8'),
    );
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
