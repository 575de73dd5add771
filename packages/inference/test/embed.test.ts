import { openStep } from '@cria/tensor';
import { afterAll, describe, expect, it } from 'vitest';
import { collect, Engine, type PoolKind, poolKinds } from '../src/index.ts';
import { byteTokenizer } from '../../../scripts/support/byte-tokenizer.ts';
import { tinyModel } from './tiny-model.ts';

const model = tinyModel();
afterAll(() => model.device[Symbol.dispose]());
const prompt = [256, ...Buffer.from('a prompt of some length that spans blocks')];

/** Hidden states of every row, in one pass without a cache, and their vector by the definition. */
async function plainly(ids: readonly number[], pool: PoolKind): Promise<number[]> {
  using step = openStep(model.device, { rows: ids.length });
  const all = await model.forward(model.tokens(ids, step), step).toFloat32();
  const { dim } = model.config;
  const rows = ids.map((_, i) => [...all.subarray(i * dim, (i + 1) * dim)]);
  if (pool !== 'mean') return pool === 'last' ? rows.at(-1)! : rows[0]!;
  return rows[0]!.map((_, i) => rows.reduce((sum, row) => sum + row[i]!, 0) / rows.length);
}

describe.each(poolKinds)('the vector of a prompt, by %s', (pool) => {
  it('is that of its hidden states, the same in pieces, beside texts and under preemption', async () => {
    const expected = await plainly(prompt, pool);
    const norm = Math.hypot(...expected);
    const vectors: Float32Array[] = [];
    for (const options of [{}, { prefillChunk: 3, maxBatchRows: 8 }, { blocks: 8, blockSize: 8 }]) {
      await using engine = new Engine({ model, tokenizer: byteTokenizer, ...options });
      const texts = ['x', 'y', prompt].map((each) =>
        collect(engine.generate({ prompt: each, temperature: 0, maxTokens: 12 })),
      );
      const raw = await engine.embed({ prompt, pool, normalize: false });
      const { vector, usage } = await engine.embed({ prompt, pool });
      await Promise.all(texts);
      raw.vector.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 5));
      vector.forEach((value, i) => expect(value).toBeCloseTo(expected[i]! / norm, 5));
      expect(usage).toMatchObject({ promptTokens: prompt.length, completionTokens: 0 });
      // What stands before the last row may come from the cache; every row of a mean is computed.
      if (pool !== 'last') expect(usage.cachedTokens).toBe(0);
      vectors.push(vector);
    }
    expect(vectors[1]).toEqual(vectors[0]);
    expect(vectors[2]).toEqual(vectors[0]);
  });
});

it('a prompt that is sent away half read is read anew', async () => {
  const options = { maxSequences: 1, prefillChunk: 4, prefixCache: false };
  for (const pool of poolKinds) {
    await using engine = new Engine({ model, tokenizer: byteTokenizer, ...options });
    const alone = await engine.embed({ prompt, pool });
    const { steps } = engine.stats;
    const disturbed = engine.embed({ prompt, pool });
    while (engine.stats.steps < steps + 3) await new Promise((resolve) => setImmediate(resolve));
    await collect(engine.generate({ prompt: 'x', priority: 1, maxTokens: 3 }));
    expect((await disturbed).vector).toEqual(alone.vector);
    expect(engine.stats.preemptions).toBe(1);
  }
});

it('what cannot be embedded is refused', async () => {
  await using engine = new Engine({ model, tokenizer: byteTokenizer });
  await expect(engine.embed({ prompt: 'x', pool: 'max' as PoolKind })).rejects.toThrow('pool is "max"');
  await expect(engine.embed({ prompt: 'x'.repeat(80) })).rejects.toThrow('the prompt has 81 tokens');
  await engine.close();
  await expect(engine.embed({ prompt: 'x' })).rejects.toThrow('the engine is closed');
});

it('a vector that overflows ends alone', async () => {
  const broken = tinyModel();
  broken.embedding.weight.value.slice(9, 10).write(new Float32Array(broken.config.dim).fill(NaN));
  await using engine = new Engine({ model: broken, tokenizer: byteTokenizer });
  await expect(engine.embed({ prompt: [256, 9] })).rejects.toThrow('[embed] the vector has length NaN');
  expect((await engine.embed({ prompt: [256, 1] })).vector.length).toBe(16);
});
