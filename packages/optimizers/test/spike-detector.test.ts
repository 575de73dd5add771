import { expect, test } from 'vitest';
import { SpikeDetector } from '../src/index.ts';

test('z-score among the last values, once the window is full', () => {
  const detector = new SpikeDetector({ window: 4 });
  expect([2, 4, 4].map((value) => detector.observe(value))).toEqual([undefined, undefined, undefined]);
  // 2, 4, 4, 6: mean 4, deviation √2.
  expect(detector.observe(6)).toBeCloseTo(Math.SQRT2, 12);
  // 4, 4, 6, 6: the 2 has left.
  expect(detector.observe(6)).toBeCloseTo(1, 12);
  expect(detector.state).toEqual([4, 4, 6, 6]);
});

test('a spike stands out, equal values score 0, broken ones Infinity and leave no trace', () => {
  const detector = new SpikeDetector();
  for (let i = 0; i < 127; i++) expect(detector.observe(3)).toBeUndefined();
  expect(detector.observe(3)).toBe(0);
  expect(detector.observe(Number.NaN)).toBe(Infinity);
  // One value in n that differs has a score of √(n − 1).
  expect(detector.observe(9)).toBeCloseTo(Math.sqrt(127), 9);
});

test('goes on from its state', () => {
  const [a, b] = [new SpikeDetector({ window: 3 }), new SpikeDetector({ window: 3 })];
  for (const value of [1, 5, 2]) a.observe(value);
  b.state = a.state;
  expect(b.observe(8)).toBe(a.observe(8));
  expect(() => (b.state = [1, 2, 3, 4])).toThrow('4 values do not fit a window of 3');
  expect(() => new SpikeDetector({ window: 1 })).toThrow('window is 1');
});
