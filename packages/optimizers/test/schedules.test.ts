import { describe, expect, test } from 'vitest';
import { constantSchedule, cosineSchedule, linearSchedule, wsdSchedule } from '../src/index.ts';

const rates = (schedule: (step: number) => number, steps: number[]) => steps.map(schedule);

describe('schedules', () => {
  test('cosine to a tenth, as in the paper: 7B', () => {
    const rate = cosineSchedule({ maxLearningRate: 3e-4, warmupSteps: 2000, totalSteps: 238419 });
    expect(rate(1)).toBeCloseTo(1.5e-7, 15);
    expect(rate(2000)).toBe(3e-4);
    expect(rate(2001)).toBeLessThan(3e-4);
    // Half way between warm-up and end the cosine is 0.
    expect(rate(2000 + (238419 - 2001) / 2 + 0.5)).toBeCloseTo((3e-4 + 3e-5) / 2, 15);
    expect(rate(238419)).toBeCloseTo(3e-5, 18);
    expect(rate(300000)).toBe(rate(238419));
  });

  test('linear to zero', () => {
    const rate = linearSchedule({ maxLearningRate: 8, warmupSteps: 2, totalSteps: 6 });
    expect(rates(rate, [1, 2, 3, 4, 5, 6, 7])).toEqual([4, 8, 6, 4, 2, 0, 0]);
    expect(linearSchedule({ maxLearningRate: 8, totalSteps: 4, finalRatio: 0.5 })(4)).toBe(4);
  });

  test('constant', () => {
    expect(rates(constantSchedule({ maxLearningRate: 6, warmupSteps: 3 }), [1, 2, 3, 4, 1e6])).toEqual([
      2, 4, 6, 6, 6,
    ]);
    expect(constantSchedule({ maxLearningRate: 6 })(1)).toBe(6);
  });

  test('warm-up, stable, decay', () => {
    const linear = wsdSchedule({
      maxLearningRate: 8,
      warmupSteps: 2,
      totalSteps: 10,
      decaySteps: 4,
      shape: 'linear',
    });
    expect(rates(linear, [1, 2, 3, 6, 7, 8, 9, 10, 11])).toEqual([4, 8, 8, 8, 6, 4, 2, 0, 0]);
    const root = wsdSchedule({ maxLearningRate: 8, warmupSteps: 2, totalSteps: 10, decaySteps: 4 });
    expect(rates(root, [6, 7, 10])).toEqual([8, 4, 0]);
    // A fifth of the steps by default.
    const fifth = wsdSchedule({ maxLearningRate: 1, totalSteps: 100 });
    expect([fifth(80), fifth(81) < 1]).toEqual([1, true]);
  });

  test('what cannot be is refused', () => {
    expect(() => cosineSchedule({ maxLearningRate: 1, warmupSteps: 5, totalSteps: 5 })).toThrow(
      'leave nothing of 5 steps',
    );
    expect(() => cosineSchedule({ maxLearningRate: Number.NaN, totalSteps: 5 })).toThrow(
      'maxLearningRate is NaN',
    );
    expect(() => linearSchedule({ maxLearningRate: 1, totalSteps: 5, finalRatio: 2 })).toThrow(
      'finalRatio is 2',
    );
    expect(() => wsdSchedule({ maxLearningRate: 1, totalSteps: 5, decaySteps: 6 })).toThrow(
      'decaySteps is 6 of 5',
    );
    expect(() => constantSchedule({ maxLearningRate: 1 })(0)).toThrow('updates count from 1');
    // @ts-expect-error: a misspelt option
    expect(() => cosineSchedule({ maxLearningRate: 1, warmupStep: 5, totalSteps: 9 })).toThrow(
      'did you mean "warmupSteps"?',
    );
  });
});
