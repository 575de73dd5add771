import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  argmax,
  keepMasked,
  keepMinP,
  keepTopK,
  keepTopP,
  maxOf,
  penalizeSeen,
  scaleByTemperature,
} from '@cria/tensor';
import {
  resolveSampling,
  Sampler,
  type SamplerName,
  samplerNames,
  type SamplingOptions,
} from '../src/index.ts';
import { dry } from '../src/sample/dry.ts';
import { dynamicTemperature } from '../src/sample/dynamic-temperature.ts';
import { logitBias } from '../src/sample/logit-bias.ts';
import { mirostat1, mirostat2 } from '../src/sample/mirostat.ts';
import type { Place, Stage } from '../src/sample/stage.ts';
import { TextState } from '../src/sample/text-state.ts';
import { topNSigma } from '../src/sample/top-n-sigma.ts';
import { typicalP } from '../src/sample/typical-p.ts';
import { xtc } from '../src/sample/xtc.ts';

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

/** A place in a text that repeats itself, whose draws are at an end of their range. */
const placeOf = (u: number): Place => ({
  history: { ids: [0, 1, 0, 1, 0], promptLength: 2 },
  state: new TextState(undefined),
  uniform: () => u,
});
const draw = fc.constantFrom(0, 5e-324, 0.5, 1 - 2 ** -53);
/** A stage with settings that do something, or none. */
const placed =
  (stage: Stage | undefined, u = 0) =>
  (scores: Float64Array) =>
    stage?.(scores, placeOf(u));

const stages: Record<string, fc.Arbitrary<(scores: Float64Array) => void>> = {
  repetition: positive.map((repetition) => (s) => {
    const seen = [...s.keys()];
    penalizeSeen(s, { seen, times: seen }, { repetition, presence: 0, frequency: 0 });
  }),
  generated: fc.tuple(penalty, penalty).map(([presence, frequency]) => (s) => {
    const seen = [...new Set([0, s.length - 1])];
    penalizeSeen(s, { seen, times: [2, 1] }, { repetition: 1, presence, frequency });
  }),
  temperature: positive.map((t) => (s) => scaleByTemperature(s, t)),
  dynamicTemperature: fc
    .tuple(positive, positive, fc.oneof(positive, fc.constant(0)))
    .map(([t, range, exponent]) => placed(dynamicTemperature(t, range, exponent))),
  topK: fc
    .oneof(fc.constantFrom(1, 2, Number.MAX_SAFE_INTEGER), fc.integer({ min: 1, max: 14 }))
    .map((k) => (s) => keepTopK(s, k)),
  topP: share.map((p) => (s) => keepTopP(s, p)),
  minP: share.map((p) => (s) => keepMinP(s, p)),
  typicalP: share.map((p) => placed(typicalP(p))),
  topNSigma: positive.map((n) => placed(topNSigma(n))),
  xtc: fc.tuple(share, share, draw).map(([p, threshold, u]) => placed(xtc(p, threshold), u)),
  dry: fc
    .tuple(
      positive,
      fc.oneof(fc.constantFrom(1, 1 + 2 ** -52, 1e308), fc.double({ min: 1, max: 9, noNaN: true })),
    )
    .map(([dryMultiplier, dryBase]) =>
      placed(dry(resolveSampling('test', { dryMultiplier, dryBase, dryAllowedLength: 0 }))),
    ),
  logitBias: fc
    .constantFrom(-100, -0, 5e-324, 100)
    .map((bias) => placed(logitBias([0, 5].map((id) => [id, bias] as const)))),
  mirostat1: fc.tuple(share, share, draw).map(
    ([tau, rate, u]) =>
      (s) =>
        void mirostat1({ target: 100 * tau, rate: 10 * rate })(s, placeOf(u)),
  ),
  mirostat2: fc.tuple(share, share, draw).map(
    ([tau, rate, u]) =>
      (s) =>
        void mirostat2({ target: 100 * tau, rate: 10 * rate })(s, placeOf(u)),
  ),
  mask: fc.integer({ min: 1, max: 2 ** 12 - 1 }).map((word) => (s) => {
    // One that leaves nothing is the caller's to see.
    const kept = s.slice();
    keepMasked(kept, [word]);
    if (maxOf(kept) > -Infinity) s.set(kept);
  }),
};

type NotNumbers = 'drySequenceBreakers' | 'bannedIds' | 'allowedIds' | 'minTokens';

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
    const options: fc.Arbitrary<SamplingOptions> = fc.record<Required<Omit<SamplingOptions, NotNumbers>>>({
      temperature: fc.constantFrom(-0, 0, 5e-324, 1e-308, 9.99e-6, 1e-5, 1, 1e300, MAX_VALUE),
      topK: whole,
      topP: share,
      minP: share,
      repetitionPenalty: fc.constantFrom(0.01, 0.5, 1, 1 + 2 ** -52, 100),
      presencePenalty: penalty,
      frequencyPenalty: penalty,
      dynamicTemperatureRange: fc.constantFrom(-0, 0, 5e-324, 1, MAX_VALUE),
      dynamicTemperatureExponent: fc.constantFrom(-0, 5e-324, 1, MAX_VALUE),
      typicalP: share,
      topNSigma: fc.constantFrom(-0, 0, 5e-324, 1, MAX_VALUE),
      xtcProbability: share,
      xtcThreshold: share,
      penaltyLastN: fc.constantFrom(-1, 0, 1, 2, MAX_SAFE_INTEGER),
      dryMultiplier: fc.constantFrom(-0, 0, 5e-324, 0.8, MAX_VALUE),
      dryBase: fc.constantFrom(1, 1 + 2 ** -52, 1.75, MAX_VALUE),
      dryAllowedLength: fc.constantFrom(0, 1, 2, MAX_SAFE_INTEGER),
      dryLastN: fc.constantFrom(-1, 0, 1, MAX_SAFE_INTEGER),
      mirostat: fc.constantFrom(0, 0, 1, 2),
      mirostatTau: fc.constantFrom(0, 5e-324, 5, 100),
      mirostatEta: fc.constantFrom(0, 5e-324, 0.1, 10),
      logitBias: fc.array(fc.tuple(fc.nat(9), fc.constantFrom(-100, 5e-324, 100)), { maxLength: 3 }),
      samplers: fc.oneof(
        fc.constantFrom('huggingface', 'llama.cpp'),
        fc.array(fc.constantFrom<SamplerName>(...samplerNames), { maxLength: 12 }),
      ),
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
        const sampler = new Sampler(row.length);
        const history = { ids, promptLength: 1 };
        for (let i = 0; i < 3; i++) {
          const id = sampler.sample(Float32Array.from(row), sampling, history);
          expect(row[id]).toSatisfy(Number.isFinite);
          ids.push(id);
        }
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
    ['dynamicTemperatureRange', [-0, 5e-324, Number.MAX_VALUE], [-5e-324, Infinity, NaN]],
    ['dynamicTemperatureExponent', [-0, 5e-324, Number.MAX_VALUE], [-5e-324, Infinity, NaN]],
    ['typicalP', [-0, 5e-324, 1], [-5e-324, 1 + 2 ** -52, NaN]],
    ['topNSigma', [-0, 5e-324, Number.MAX_VALUE], [-1, Infinity, NaN]],
    ['xtcProbability', [-0, 5e-324, 1], [-5e-324, 1 + 2 ** -52, NaN]],
    ['xtcThreshold', [-0, 5e-324, 1], [-5e-324, 1 + 2 ** -52, NaN]],
    ['penaltyLastN', [-1, -0, 2 ** 53 - 1], [-2, 0.5, 2 ** 53, 1e308, NaN]],
    ['dryMultiplier', [-0, 5e-324, Number.MAX_VALUE], [-5e-324, Infinity, NaN]],
    ['dryBase', [1, Number.MAX_VALUE], [1 - 2 ** -53, 0, Infinity, NaN]],
    ['dryAllowedLength', [-0, 2 ** 53 - 1], [-1, 5e-324, 2 ** 53, NaN]],
    ['dryLastN', [-1, 2 ** 53 - 1], [-2, 5e-324, 2 ** 53, NaN]],
    ['mirostat', [0, 1, 2], [-1, 3, 0.5, NaN]],
    ['mirostatTau', [-0, 5e-324, 100], [-5e-324, 101, 1e308, NaN]],
    ['mirostatEta', [-0, 5e-324, 10], [-5e-324, 11, 1e308, NaN]],
    ['minTokens', [-0, 2 ** 53 - 1], [-1, 5e-324, 2 ** 53, NaN]],
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
