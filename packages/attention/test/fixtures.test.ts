/** Against PyTorch float64: values and gradients, key prefixes, masks, saturated softmax (fixtures/attention). */
import { describe, expect, it } from 'vitest';
import { attention, attentionGrad, flashAttention, flashAttentionGrad } from '../src/index.ts';
import type { FloatArray, OracleOptions } from '../src/index.ts';
import { haveFixtures, readFixture, relativeError } from './helpers.ts';

const names = [
  'mha',
  'gqa-prefix',
  'mqa-decode',
  'long',
  'extreme-large-scores',
  'extreme-huge-scores',
  'extreme-small-scores',
  'segments',
  'nothing-to-see',
];

if (!haveFixtures) console.log('attention fixtures skipped: ../shared/fixtures is not on this machine');

describe.skipIf(!haveFixtures)('PyTorch fixtures', () => {
  for (const name of names) {
    for (const precision of [64, 32] as const) {
      const expected = (): ReturnType<typeof readFixture> => readFixture(name);

      it(`oracle, f${precision}: ${name}`, () => {
        compare(expected(), precision, (batch) => {
          const { out, lse } = attention(batch.q, batch.k, batch.v, batch.options);
          return { o: out, lse, ...attentionGrad(batch.dout, batch.q, batch.k, batch.v, batch.options) };
        });
      });

      it.skipIf(name === 'segments' || name === 'nothing-to-see')(`flash, f${precision}: ${name}`, () => {
        compare(expected(), precision, (batch) => {
          const { out, lse } = flashAttention(batch.q, batch.k, batch.v, batch.options);
          return {
            o: out,
            lse,
            ...flashAttentionGrad(batch.dout, batch.q, batch.k, batch.v, out, lse, batch.options),
          };
        });
      });
    }
  }
});

interface Batch {
  readonly q: FloatArray;
  readonly k: FloatArray;
  readonly v: FloatArray;
  readonly dout: FloatArray;
  readonly options: OracleOptions;
}
type Results = Record<'o' | 'lse' | 'dq' | 'dk' | 'dv', FloatArray>;

function compare(
  fixture: ReturnType<typeof readFixture>,
  precision: 32 | 64,
  run: (batch: Batch) => Results,
): void {
  const [B, T, H, E] = fixture['q'].shape;
  const [N, K] = fixture['k'].shape.slice(1);
  const part = (name: string, b: number): FloatArray => {
    const data = fixture[name].data as Float64Array;
    const slice = data.subarray((b * data.length) / B, ((b + 1) * data.length) / B);
    return precision === 64 ? slice : Float32Array.from(slice);
  };
  for (let b = 0; b < B; b++) {
    const allowed = fixture['allowed']?.data.subarray(b * T * N, (b + 1) * T * N) as Uint8Array | undefined;
    const options = { heads: H, kvHeads: K, headDim: E, ...(allowed ? { allowed } : {}) };
    const results = run({ q: part('q', b), k: part('k', b), v: part('v', b), dout: part('do', b), options });
    for (const [name, actual] of Object.entries(results)) {
      const rows = name === 'lse' ? transpose(part('lse', b), H, T) : part(name, b);
      // A saturated softmax has dq = dk = 0, here the rounding of dp − delta times k and q.
      const saturated = rows.every((x) => Math.abs(x) < 1e-12);
      const limit = precision === 64 ? 1e-11 : 4e-5;
      if (saturated)
        expect(largest(actual), name).toBeLessThan(
          (limit / 10) * Math.max(largest(part('q', b)), largest(part('k', b))),
        );
      else expect(relativeError(actual, rows), name).toBeLessThan(limit);
    }
  }
}

function largest(values: FloatArray): number {
  return Math.max(...Array.from(values, Math.abs));
}

/** [H, T] → [T, H] */
function transpose(values: FloatArray, H: number, T: number): FloatArray {
  return values.map((_, i) => values[(i % H) * T + Math.floor(i / H)]);
}
