import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  argmax,
  keepMinP,
  keepTopK,
  keepTopP,
  penalizeGenerated,
  penalizeRepetition,
  resolveSampling,
  Sampler,
  type SamplingOptions,
  scaleByTemperature,
} from '../src/index.ts';

const edges = [5e-324, 2.3e-308, 1e-308, 1e-300, 1e-5, 0.01, 1, 100, 1e5, 1e300, 1e308, Number.MAX_VALUE];

/** Any number of a double, the ends of its range first. */
const positive = fc.oneof(
  fc.constantFrom(...edges),
  fc.double({ min: 5e-324, noNaN: true, noDefaultInfinity: true }),
);
const score = fc.oneof(
  fc.double({ min: -30, max: 30, noNaN: true }),
  fc.constantFrom(-0, 0, -Infinity, ...edges, ...edges.map((edge) => -edge)),
);
const scoreRow = fc
  .array(score, { minLength: 1, maxLength: 12 })
  .filter((row) => row.some((each) => Number.isFinite(each)));

const share = fc.oneof(
  fc.constantFrom(-0, 0, 5e-324, 1e-308, 1 - 2 ** -53, 1),
  fc.double({ min: 0, max: 1, noNaN: true }),
);
const penalty = fc.oneof(fc.constantFrom(-2, -0, 0, 5e-324, 2), fc.double({ min: -2, max: 2, noNaN: true }));

const stages: Record<string, fc.Arbitrary<(scores: Float64Array) => void>> = {
  repetition: positive.map((p) => (s) => penalizeRepetition(s, [...s.keys(), 0], p)),
  generated: fc.tuple(penalty, penalty).map(
    ([presence, frequency]) =>
      (s) =>
        penalizeGenerated(s, [0, 0, s.length - 1], { presence, frequency }),
  ),
  temperature: positive.map((t) => (s) => scaleByTemperature(s, t)),
  topK: fc
    .oneof(fc.constantFrom(1, 2, Number.MAX_SAFE_INTEGER), fc.integer({ min: 1, max: 14 }))
    .map((k) => (s) => keepTopK(s, k)),
  topP: share.map((p) => (s) => keepTopP(s, p)),
  minP: share.map((p) => (s) => keepMinP(s, p)),
};

describe('numbers at the ends of their range', () => {
  it.each(Object.entries(stages))('leave scores to choose from after %s', (_, stage) => {
    fc.assert(
      fc.property(scoreRow, stage, (row, apply) => {
        const scores = Float64Array.from(row);
        apply(scores);
        expect([...scores].filter((each) => Number.isNaN(each) || each === Infinity)).toEqual([]);
        expect(scores.some((each) => Number.isFinite(each))).toBe(true);
        row.forEach((before, i) => before === -Infinity && expect(scores[i]).toBe(-Infinity));
      }),
      { numRuns: 2000 },
    );
  });

  it('leave a token to choose after all of them, one that was not ruled out', () => {
    const { MAX_SAFE_INTEGER, MAX_VALUE } = Number;
    const whole = fc.constantFrom(-0, 0, 1, 3, MAX_SAFE_INTEGER);
    const options: fc.Arbitrary<SamplingOptions> = fc.record({
      temperature: fc.constantFrom(-0, 0, 5e-324, 1e-308, 9.99e-6, 1e-5, 1, 1e300, MAX_VALUE),
      topK: whole,
      topP: share,
      minP: share,
      repetitionPenalty: fc.constantFrom(0.01, 0.5, 1, 1 + 2 ** -52, 100),
      presencePenalty: penalty,
      frequencyPenalty: penalty,
      seed: whole,
      stream: fc.constantFrom(-0, 0, 2 ** 32 - 1),
    });
    const f32 = fc.oneof(
      fc.float({ noNaN: true, noDefaultInfinity: true }),
      fc.constantFrom(-Infinity, -0, 1.401298464324817e-45, 3.4028234663852886e38, -3.4028234663852886e38),
    );
    const rows = fc.array(f32, { minLength: 1, maxLength: 10 }).filter((row) => row.some(Number.isFinite));
    fc.assert(
      fc.property(rows, options, (row, chosen) => {
        const ids = [0, row.length - 1, 0];
        const sampling = resolveSampling('test', chosen);
        const id = new Sampler(row.length).sample(Float32Array.from(row), sampling, { ids, promptLength: 1 });
        expect(row[id]).toSatisfy(Number.isFinite);
      }),
      { numRuns: 5000 },
    );
  });

  it.each([
    [[1, NaN, 2], 'NaN'],
    [[NaN], 'NaN'],
    [[-Infinity, -Infinity], '-Infinity'],
    [[1, Infinity], 'Infinity'],
  ])('of logits are refused: %j', (logits, shown) => {
    for (const options of [{ temperature: 0 }, {}, { topP: 0.9 }, { topK: 1 }, { minP: 0.1, topP: 0 }]) {
      const sampling = resolveSampling('test', options);
      const sample = () => new Sampler(logits.length).sample(logits, sampling, { ids: [], promptLength: 0 });
      expect(sample).toThrow(`the largest logit is ${shown}`);
    }
  });

  it.each<[keyof SamplingOptions, number[], number[]]>([
    ['temperature', [-0, 0, 5e-324, 1e-308, Number.MAX_VALUE], [-5e-324, Infinity, NaN]],
    ['repetitionPenalty', [0.01, 100], [0, -0, 5e-324, 1e-308, 0.0099, 100.1, 1e308, Infinity, NaN]],
    ['presencePenalty', [-2, -0, 5e-324, 2], [-2.1, 1e308, NaN]],
    ['frequencyPenalty', [-2, -0, 5e-324, 2], [2.1, -1e308, NaN]],
    ['topP', [-0, 5e-324, 1], [-5e-324, 1 + 2 ** -52, 1e308, NaN]],
    ['minP', [-0, 5e-324, 1], [-5e-324, 1 + 2 ** -52, 1e308, NaN]],
    ['topK', [-0, 2 ** 53 - 1], [-1, 5e-324, 2 ** 53, 1e308, NaN]],
    ['seed', [-0, 2 ** 53 - 1], [-1, 5e-324, 2 ** 53, 1e308, NaN]],
    ['stream', [-0, 2 ** 32 - 1], [-1, 2 ** 32, NaN]],
  ])('%s takes %j and refuses %j', (name, good, bad) => {
    for (const value of good) expect(resolveSampling('test', { [name]: value })[name]).toBe(value);
    for (const value of bad)
      expect(() => resolveSampling('test', { [name]: value })).toThrow(`${name} is ${value}`);
  });
});

it('a temperature so small that scores overflow is the choice of the best', () => {
  const scores = Float64Array.of(1e300, 2e300, 2e300, -Infinity);
  scaleByTemperature(scores, 1e-300);
  expect([...scores]).toEqual([-Infinity, 0, 0, -Infinity]);
  expect(argmax(scores)).toBe(1);
});
