import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  argmax,
  draw,
  exponentiate,
  keepMinP,
  keepTopK,
  keepTopP,
  penalizeGenerated,
  penalizeRepetition,
  scaleByTemperature,
} from '../src/filters.ts';
import { readSafetensors } from './safetensors.ts';

const folder = new URL('../../../../shared/fixtures/sampling/', import.meta.url);

type Stage = Record<string, number>;
const stages: Record<string, (scores: Float64Array, value: number, history: ArrayLike<number>) => void> = {
  temperature: scaleByTemperature,
  top_k: keepTopK,
  top_p: keepTopP,
  min_p: keepMinP,
  repetition_penalty: (scores, penalty, ids) => penalizeRepetition(scores, ids, penalty),
};

describe.skipIf(!existsSync(folder))('filters against transformers (../shared/fixtures/sampling)', () => {
  const read = (name: string) => readFileSync(new URL(name, folder));
  const index = existsSync(folder)
    ? (JSON.parse(read('index.json').toString()) as {
        V: number;
        N: number;
        chains: { name: string; chain: Stage[] }[];
      })
    : { V: 0, N: 0, chains: [] };
  const known = index.chains.filter(({ chain }) =>
    chain.every((stage) => Object.keys(stage).every((name) => name in stages)),
  );

  it('knows most chains', () => expect(known.length).toBeGreaterThanOrEqual(14));

  it.each(known)('chain $name $chain', ({ name, chain }) => {
    const logits = readSafetensors(read('logits.safetensors'));
    const expected = readSafetensors(read('expected.safetensors'));
    let compared = 0;
    for (let row = 0; row < index.N; row++) {
      const of = (tensor: string, width: number) =>
        expected.get(tensor)!.subarray(row * width, (row + 1) * width);
      const scores = Float64Array.from(logits.get('logits')!.subarray(row * index.V, (row + 1) * index.V));
      const history = logits.get('history')!.subarray(row * 24, (row + 1) * 24);
      for (const stage of chain)
        for (const [key, value] of Object.entries(stage)) stages[key]!(scores, value, history);
      if (of(`${name}.stable`, 1)[0] === 0) continue;
      compared++;
      const kept = Array.from(scores, (score) => (score > -Infinity ? 1 : 0));
      expect(kept, `row ${row}`).toEqual([...of(`${name}.kept`, index.V)]);
      const total = exponentiate(scores);
      of(`${name}.probs`, index.V).forEach((p, id) =>
        expect(Math.abs(scores[id]! / total - p)).toBeLessThan(1e-13),
      );
    }
    expect(compared).toBeGreaterThan(40);
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
    penalizeGenerated(scores, [0, 0, 2], { presence: 0.5, frequency: 0.25 });
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
