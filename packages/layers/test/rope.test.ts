import { readFileSync } from 'node:fs';
import { openStep, reference } from '@cria/tensor';
import { describe, expect, test } from 'vitest';
import {
  llamaConfig,
  type LlamaConfigFields,
  ropeAttentionFactor,
  type RopeScaling,
  RotaryEmbedding,
  yarnMagnitude,
} from '../src/index.ts';

interface Case {
  readonly name: string;
  readonly theta: number;
  readonly scaling: RopeScaling;
  readonly mscale?: number;
  readonly mscale_all_dim?: number;
  /** A row a position: cos, sin of pair 0, cos, sin of pair 1, … */
  readonly table: readonly (readonly number[])[];
}

/** Made by transformers: `vectors/rope.py`. */
const vectors = JSON.parse(readFileSync(new URL('vectors/rope.json', import.meta.url), 'utf8')) as {
  readonly headDim: number;
  readonly positions: readonly number[];
  readonly cases: readonly Case[];
};

/** cos and sin of every pair at each position: what becomes of pairs (1, 0). */
async function turned(
  scaling: RopeScaling,
  theta: number,
  positions: readonly number[],
  dtype: 'f32' | 'f64',
) {
  const { headDim } = vectors;
  using device = reference();
  const rope = new RotaryEmbedding({ device, headDim, theta, scaling });
  using step = openStep(device, { rows: positions.length, dtype, positions: Int32Array.from(positions) });
  const x = step.empty([positions.length, headDim]);
  const ones = Array.from({ length: x.size }, (_, i) => 1 - (i % 2));
  x.write(dtype === 'f64' ? Float64Array.from(ones) : Float32Array.from(ones));
  rope.rotate(x, step, 1);
  const rows = Array.from(await x.read());
  rope.free();
  return positions.map((_, p) => rows.slice(p * headDim, (p + 1) * headDim));
}

const furthest = (a: readonly (readonly number[])[], b: readonly (readonly number[])[]) =>
  Math.max(...a.map((row, p) => Math.max(...row.map((value, i) => Math.abs(value - b[p]![i]!)))));

describe.each(vectors.cases)('cosines and sines of transformers: $name', (one) => {
  const { mscale, mscale_all_dim: all, theta } = one;
  const scaling: RopeScaling =
    mscale !== undefined && all !== undefined
      ? {
          ...one.scaling,
          attentionFactor: yarnMagnitude(one.scaling.factor, mscale) / yarnMagnitude(one.scaling.factor, all),
        }
      : one.scaling;

  test.each(['f32', 'f64'] as const)('%s', async (dtype) => {
    const ours = await turned(scaling, theta, vectors.positions, dtype);
    // transformers rounds frequencies to f32 first: position 200 · 2^-24, and the product once more.
    expect(furthest(ours, one.table)).toBeLessThan(3e-5 * ropeAttentionFactor(scaling));
  });

  test('is not the table without scaling', async () => {
    const plain = await turned({ type: 'linear', factor: 1 }, theta, vectors.positions, 'f64');
    expect(furthest(plain, one.table)).toBeGreaterThan(1e-3);
  });
});

test('a table reads the same however far it reaches', async () => {
  const dynamic: RopeScaling = { type: 'dynamic', factor: 4, originalContextLength: 64 };
  const [short] = await turned(dynamic, 10000, [80], 'f32');
  const [, long] = await turned(dynamic, 10000, [3000, 80], 'f32');
  expect(long).toEqual(short);
});

describe('scalings that cannot be', () => {
  const fields = { dim: 96, nLayers: 2, nHeads: 4, vocabSize: 100 };
  test.each([
    [{ type: 'longrope', factor: 4 }, 'ropeScaling.type is "longrope". hint: known types are llama3, linear'],
    [{ type: 'toString', factor: 4 }, 'ropeScaling.type is "toString"'],
    [{ type: 'linear', factor: 0 }, 'ropeScaling.factor is 0'],
    [{ type: 'linear', factor: 2, originalContextLength: 64 }, 'unknown option "originalContextLength"'],
    [{ type: 'dynamic', factor: 2 }, 'ropeScaling.originalContextLength is undefined'],
    [{ type: 'yarn', factor: 2, originalContextLength: 64, betaFast: -1 }, 'ropeScaling.betaFast is -1'],
    [{ type: 'yarn', factor: 2, originalContextLength: 64, truncate: 1 }, 'ropeScaling.truncate is 1'],
    [{ type: 'linear', factor: 2, attentionFactor: Infinity }, 'ropeScaling.attentionFactor is Infinity'],
  ])('%j', (ropeScaling, message) => {
    expect(() => llamaConfig({ ...fields, ropeScaling } as unknown as LlamaConfigFields)).toThrow(message);
  });
});
