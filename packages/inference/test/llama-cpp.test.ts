import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { resolveSampling, type SamplerName, type SamplingOptions } from '../src/index.ts';
import { Counts } from '../src/sample/counts.ts';
import { planOf } from '../src/sample/plan.ts';
import type { Place } from '../src/sample/stage.ts';
import { TextState } from '../src/sample/text-state.ts';

type Link = readonly [name: string, ...settings: unknown[]];

/** Made by packages/inference/oracle/llama-samplers.py with llama.cpp. */
const file = new URL('../../../scripts/support/vectors/samplers/llama-cpp.json', import.meta.url);
const vectors = JSON.parse(readFileSync(file, 'utf8')) as {
  readonly V: number;
  readonly rows: Readonly<Record<string, readonly number[]>>;
  readonly histories: Readonly<Record<string, readonly number[]>>;
  readonly cases: readonly {
    readonly row: string;
    readonly history: string;
    readonly chain: readonly Link[];
    readonly ids: readonly number[];
    readonly logits: readonly number[];
  }[];
  readonly walks: readonly {
    readonly row: string;
    readonly sampler: Link;
    readonly steps: readonly { readonly ids: readonly number[]; readonly chosen: number }[];
  }[];
};

/** llama.cpp's arguments as options. */
// oxlint-disable-next-line typescript/no-explicit-any -- numbers, and the breakers of DRY
const optionsOf: Readonly<Record<string, (settings: any) => SamplingOptions>> = {
  topK: ([topK]) => ({ topK }),
  topP: ([topP]) => ({ topP }),
  minP: ([minP]) => ({ minP }),
  typicalP: ([typicalP]) => ({ typicalP }),
  topNSigma: ([topNSigma]) => ({ topNSigma }),
  temperature: ([temperature, range = 0, exponent = 1]) => ({
    temperature,
    dynamicTemperatureRange: range,
    dynamicTemperatureExponent: exponent,
  }),
  xtc: ([xtcProbability, xtcThreshold]) => ({ xtcProbability, xtcThreshold }),
  penalties: ([penaltyLastN, repetitionPenalty, frequencyPenalty, presencePenalty]) => ({
    penaltyLastN,
    repetitionPenalty,
    frequencyPenalty,
    presencePenalty,
  }),
  dry: ([dryMultiplier, dryBase, dryAllowedLength, dryLastN, drySequenceBreakers]) => ({
    dryMultiplier,
    dryBase,
    dryAllowedLength,
    dryLastN,
    drySequenceBreakers,
  }),
};

const rowOf = (name: string) => Float64Array.from(vectors.rows[name]!, Math.fround);

describe('samplers against llama.cpp', () => {
  it('has cases of every sampler', () => {
    const covered = new Set(vectors.cases.flatMap(({ chain }) => chain.map(([name]) => name)));
    expect([...covered].sort()).toEqual(Object.keys(optionsOf).sort());
  });

  it.each(vectors.cases)('$chain of $row after $history', ({ row, history, chain, ids, logits }) => {
    const options = Object.assign({}, ...chain.map(([name, ...settings]) => optionsOf[name]!(settings)));
    const samplers = chain.map(([name]) => name as SamplerName);
    const plan = planOf(resolveSampling('test', { ...options, samplers }), vectors.V);
    const scores = rowOf(row);
    const text = { ids: vectors.histories[history]!, promptLength: 1 };
    const state = new TextState(plan.counts && new Counts(plan.counts));
    state.follow(text);
    for (const { apply } of plan.stages) apply(scores, { history: text, state, uniform: () => 0.4 });
    if (options.temperature === 0 && options.dynamicTemperatureRange === 0)
      return expect(ids).toEqual([plan.choose(scores, {} as Place)]);
    expect([...scores.keys()].filter((id) => scores[id]! > -Infinity)).toEqual(ids);
    ids.forEach((id, i) =>
      expect(Math.abs(scores[id]! - logits[i]!)).toBeLessThan(1e-5 * (1 + Math.abs(logits[i]!))),
    );
  });
});

describe('mirostat against llama.cpp', () => {
  it.each(vectors.walks)('$sampler of $row', ({ row, sampler: [name, tau, eta], steps }) => {
    const mirostat = name === 'mirostat1' ? 1 : 2;
    const options = { mirostat, mirostatTau: tau as number, mirostatEta: eta as number };
    const plan = planOf(resolveSampling('test', options), vectors.V);
    const state = new TextState(undefined);
    const ids: number[] = [0];
    for (const { ids: kept, chosen } of steps) {
      const history = { ids, promptLength: 1 };
      // Among what llama.cpp left, the share that ends in the middle of what it chose.
      const weights = kept.map((id) => Math.exp(rowOf(row)[id]!));
      const total = weights.reduce((a, b) => a + b);
      const at = kept.indexOf(chosen);
      const u = (weights.slice(0, at).reduce((a, b) => a + b, 0) + weights[at]! / 2) / total;
      const scores = rowOf(row);
      expect(plan.choose(scores, { history, state, uniform: () => u })).toBe(chosen);
      expect([...scores.keys()].filter((id) => scores[id]! > -Infinity)).toEqual(kept);
      ids.push(chosen);
    }
  });
});
