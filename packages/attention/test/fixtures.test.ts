/** Against PyTorch float64: values and gradients, key prefixes, masks, saturated softmax (fixtures/attention). */
import { describe, expect, it } from 'vitest';
import { attention, attentionGrad, flashAttention, flashAttentionGrad } from '../src/index.ts';
import type { FloatArray, OracleOptions } from '../src/index.ts';
import { readVectorJson } from '../../../scripts/support/vectors.ts';
import { fixtures, readFixture, relativeError } from './helpers.ts';

const index: Record<string, { float32_relative: Record<string, number> }> =
  readVectorJson('attention/index.json');

describe('PyTorch fixtures', () => {
  it('are there', () => expect(fixtures.length).toBeGreaterThan(0));

  for (const name of fixtures) {
    for (const precision of [64, 32] as const) {
      const expected = (): ReturnType<typeof readFixture> => readFixture(name);

      it(`oracle, f${precision}: ${name}`, () => {
        compare(name, expected(), precision, (batch) => {
          const { out, lse } = attention(batch.q, batch.k, batch.v, batch.options);
          return { o: out, lse, ...attentionGrad(batch.dout, batch.q, batch.k, batch.v, batch.options) };
        });
      });

      // Flash attention knows segments, but no mask of its own.
      it.skipIf('allowed' in expected())(`flash, f${precision}: ${name}`, () => {
        compare(name, expected(), precision, (batch) => {
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
  name: string,
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
    for (const [output, actual] of Object.entries(results)) {
      const rows = output === 'lse' ? transpose(part('lse', b), H, T) : part(output, b);
      // A saturated softmax has dq = dk = 0, here the rounding of dp − delta times k and q.
      const saturated = rows.every((x) => Math.abs(x) < 1e-12);
      // In float32 some five times what PyTorch has.
      const limit =
        precision === 64 ? 1e-11 : Math.max(5 * (index[name].float32_relative[output] ?? 0), 2e-6);
      if (saturated)
        expect(largest(actual), output).toBeLessThan(
          (precision === 64 ? 1e-12 : 4e-6) * Math.max(largest(part('q', b)), largest(part('k', b))),
        );
      else expect(relativeError(actual, rows), output).toBeLessThan(limit);
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
