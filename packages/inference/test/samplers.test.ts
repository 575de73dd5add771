import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createHash } from 'node:crypto';
import {
  argmax,
  draw,
  exponentiate,
  keepMinP,
  keepTopK,
  keepTopP,
  normals,
  penalizeSeen,
  scaleByTemperature,
} from '@cria/tensor';
import { resolveSampling, Sampler, type SamplingOptions } from '../src/index.ts';
import type { Place, Stage as Apply } from '../src/sample/stage.ts';
import { typicalP } from '../src/sample/typical-p.ts';
import { readVectorJson, vectors } from '../../../scripts/support/vectors.ts';
import { readSafetensors } from './safetensors.ts';

const read = (name: string) => readFileSync(new URL(`sampling/${name}`, vectors));

type Stage = Readonly<Record<string, number>>;
const stages: Record<string, (scores: Float64Array, value: number, history: ArrayLike<number>) => void> = {
  temperature: scaleByTemperature,
  top_k: keepTopK,
  top_p: keepTopP,
  min_p: keepMinP,
  typical_p: (scores, p) => (typicalP(p) as Apply)(scores, {} as Place),
  repetition_penalty: (scores, repetition, ids) => {
    const seen = [...new Set(Array.from(ids))];
    penalizeSeen(scores, { seen, times: seen }, { repetition, presence: 0, frequency: 0 });
  },
};
/** Filters of the fixtures that this package does not have. */
const others = ['epsilon', 'eta', 'top_h'];

/**
 * Settings of every chain that the folder holds, left to right; `N` rows of `V` scores, each with
 * ids that came before.
 */
const index = readVectorJson('sampling/index.json') as {
  readonly V: number;
  readonly N: number;
  readonly chains: readonly { name: string; chain: Stage[]; stable_rows: number }[];
};
const namesOf = ({ chain }: { chain: Stage[] }) => chain.flatMap((stage) => Object.keys(stage));
const known = index.chains.filter((each) => namesOf(each).every((name) => name in stages));

/** Row `row` of a tensor whose rows are equally long. */
function rowOf(values: Float64Array, row: number): Float64Array {
  const width = values.length / index.N;
  return values.subarray(row * width, (row + 1) * width);
}

describe('filters against transformers', () => {
  const logits = readSafetensors(read('logits.safetensors'));
  const expected = readSafetensors(read('expected.safetensors'));

  it('knows every filter of the chains by name, and most chains have only its own', () => {
    expect(
      index.chains.flatMap(namesOf).filter((name) => !(name in stages || others.includes(name))),
    ).toEqual([]);
    expect(known.length).toBeGreaterThan(index.chains.length / 2);
  });

  it.each(known)('chain $name $chain', ({ name, chain, stable_rows: stableRows }) => {
    const of = (tensor: string, row: number) => rowOf(expected.get(`${name}.${tensor}`)!, row);
    let compared = 0;
    for (let row = 0; row < index.N; row++) {
      const scores = Float64Array.from(rowOf(logits.get('logits')!, row));
      const history = rowOf(logits.get('history')!, row);
      for (const [stage, value] of chain.flatMap(Object.entries<number>))
        stages[stage]!(scores, value, history);
      // Where the kept set hangs on how a sort orders ties, nothing is right or wrong.
      if (of('stable', row)[0] === 0) continue;
      compared++;
      const kept = Array.from(scores, (score) => (score > -Infinity ? 1 : 0));
      expect(kept, `row ${row}`).toEqual([...of('kept', row)]);
      const total = exponentiate(scores);
      of('probs', row).forEach((p, id) => expect(Math.abs(scores[id]! / total - p)).toBeLessThan(1e-13));
    }
    expect(compared).toBe(stableRows);
  });
});

describe('filters', () => {
  it('keeps all ties of the k-th, and only the first of ties in top-p', () => {
    const scores = Float64Array.of(1, 3, 2, 2, 0);
    keepTopK(scores, 2);
    expect([...scores]).toEqual([-Infinity, 3, 2, 2, -Infinity]);
    const even = new Float64Array(4);
    keepTopP(even, 0.5);
    expect([...even]).toEqual([0, 0, -Infinity, -Infinity]);
  });

  it('never removes everything', () => {
    for (const filter of [
      (s: Float64Array) => keepTopP(s, 0),
      (s: Float64Array) => keepTopP(s, 1e-300),
      (s: Float64Array) => keepMinP(s, 1),
      (s: Float64Array) => keepTopK(s, 1),
    ]) {
      const scores = Float64Array.of(-1e4, -3, -3.5, -Infinity);
      filter(scores);
      expect([...scores]).toEqual([-Infinity, -3, -Infinity, -Infinity]);
    }
  });

  it('finds the k-th largest as a sort does', () => {
    let state = 7;
    const next = () => (state = (state * 48271) % 2147483647);
    for (let n = 1; n < 60; n++) {
      const values = Float64Array.from({ length: n }, () => next() % 17);
      for (let k = 1; k <= n; k++) {
        const scores = values.slice();
        keepTopK(scores, k);
        const least = values.toSorted()[n - k]!;
        expect([...scores]).toEqual([...values].map((value) => (value < least ? -Infinity : value)));
      }
    }
  });

  it('subtracts presence once and frequency as often as an id occurred', () => {
    const scores = Float64Array.of(1, 1, 1);
    const counts = { seen: [0, 2, 1], times: [2, 1, 0] };
    penalizeSeen(scores, counts, { repetition: 1, presence: 0.5, frequency: 0.25 });
    expect([...scores]).toEqual([0, 1, 0.25]);
  });

  it('takes the first of equals, and reports NaN', () => {
    expect(argmax([1, 5, 5])).toBe(1);
    expect(argmax([1, NaN, 5])).toBeNaN();
  });

  it('draws each token for its share of [0, 1)', () => {
    const weights = Float64Array.of(0, 1, 0, 2, 1, 0);
    expect([0, 0.2499, 0.25, 0.7499, 0.75, 1 - 2 ** -53].map((u) => draw(weights, 4, u))).toEqual([
      1, 1, 3, 3, 4, 4,
    ]);
    expect(draw(weights, 4.1, 0.999)).toBe(4);
  });
});

/** Options of every sampler that was there first. */
const first: readonly SamplingOptions[] = [
  {},
  { temperature: 0 },
  { temperature: 0.7 },
  { temperature: 1.7, topK: 30 },
  { topP: 0.9 },
  { topP: 0.3, temperature: 2 },
  { minP: 0.05 },
  { topK: 50, topP: 0.95, minP: 0.01, temperature: 0.8 },
  { repetitionPenalty: 1.3 },
  { repetitionPenalty: 1.3, temperature: 0 },
  { presencePenalty: 0.5, frequencyPenalty: 0.3, topP: 0.9 },
  { repetitionPenalty: 0.8, presencePenalty: -0.5, frequencyPenalty: 0.2, temperature: 0.6, topK: 100 },
  { presencePenalty: 2, temperature: 0 },
  { topP: 0 },
  { temperature: 1e-5, topP: 0.5 },
  { topP: 0.999999, temperature: 3 },
];

it('gives the texts that it gave before there was a kernel or an order', () => {
  const V = 997;
  const sampler = new Sampler(V);
  const found: number[] = [];
  first.forEach((given, at) => {
    const sampling = resolveSampling('test', { seed: 11 + at, stream: at % 3, ...given });
    const ids = Array.from({ length: 40 }, (_, i) => (i * i * 7) % 60);
    const history = { ids, promptLength: 15 };
    for (let i = 0; i < 12; i++) {
      const logits = new Float32Array(V);
      normals({ seed: at, stream: i, start: 0, std: 1 + (i % 4) * 2 }, logits);
      ids.push(sampler.sample(logits, sampling, history));
      found.push(ids.at(-1)!);
    }
  });
  // Made with `Math.exp` and counts made anew for every token.
  expect(createHash('sha256').update(JSON.stringify(found)).digest('hex').slice(0, 16)).toBe(
    'abe80b303983f717',
  );
});
