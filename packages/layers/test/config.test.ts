import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  countParameters,
  feedForwardDim,
  type Llama3Scaling,
  llamaConfig,
  preset,
  presets,
  ropeFrequencyDivisors,
  windowOf,
} from '../src/index.ts';

describe('presets', () => {
  test.each([
    ['llama-7b', 6_738_415_616],
    ['llama-13b', 13_015_864_320],
    ['llama-33b', 32_528_943_616],
    ['llama-65b', 65_285_660_672],
    ['llama-2-7b', 6_738_415_616],
    ['llama-2-13b', 13_015_864_320],
    ['llama-2-70b', 68_976_648_192],
    ['llama-3-8b', 8_030_261_248],
    ['llama-3-70b', 70_553_706_496],
    ['llama-3.1-8b', 8_030_261_248],
    ['llama-3.1-405b', 405_853_388_800],
    ['llama-3.2-1b', 1_235_814_400],
    ['llama-3.2-3b', 3_212_749_824],
    ['260k', 260_032],
    ['15m', 15_191_712],
    ['42m', 41_689_600],
    ['110m', 109_529_856],
  ])('%s has exactly %d parameters', (name, count) => {
    expect(countParameters(preset(name))).toBe(count);
  });

  test.each([
    ['llama-7b', 11008, 1e-6, 2048],
    ['llama-13b', 13824, 1e-6, 2048],
    ['llama-33b', 17920, 1e-6, 2048],
    ['llama-65b', 22016, 1e-5, 2048],
    ['llama-2-70b', 28672, 1e-5, 4096],
    ['llama-3-8b', 14336, 1e-5, 8192],
    ['llama-3-70b', 28672, 1e-5, 8192],
    ['llama-3.1-405b', 53248, 1e-5, 131072],
    ['llama-3.2-1b', 8192, 1e-5, 131072],
    ['llama-3.2-3b', 8192, 1e-5, 131072],
    ['260k', 172, 1e-5, 512],
    ['15m', 768, 1e-5, 256],
    ['42m', 1376, 1e-5, 1024],
    ['110m', 2048, 1e-5, 1024],
  ])('%s: feed-forward width %d, eps %d, context %d', (name, ffnDim, normEps, contextLength) => {
    expect(preset(name)).toMatchObject({ ffnDim, normEps, contextLength });
  });

  test('rope bases and scalings of the Llama 3 family', () => {
    expect(preset('llama-3-8b')).not.toHaveProperty('ropeScaling');
    expect(preset('llama-3.1-70b')).toMatchObject({
      ropeTheta: 500000,
      ropeScaling: { factor: 8, originalContextLength: 8192 },
    });
    expect(preset('Llama-3.2-1B')).toMatchObject({
      headDim: 64,
      nKvHeads: 8,
      tiedEmbeddings: true,
      ropeScaling: { factor: 32 },
    });
    expect(preset('llama-2-70b')).toMatchObject({ nKvHeads: 8, ropeTheta: 10000 });
  });

  test('an unknown name meets the nearest one', () => {
    expect(() => preset('lama-7b')).toThrow(
      '[preset] there is no preset "lama-7b". hint: did you mean "llama-7b"?',
    );
    expect(() => preset('toString')).toThrow('presets are llama-7b');
    expect(Object.keys(presets)).toHaveLength(18);
  });
});

describe('llamaConfig', () => {
  const fields = { dim: 96, nLayers: 2, nHeads: 4, vocabSize: 100 };

  test('fills in what LLaMA 1 has', () => {
    expect(llamaConfig(fields)).toEqual({
      ...fields,
      nKvHeads: 4,
      headDim: 24,
      ffnDim: 256,
      contextLength: 2048,
      normEps: 1e-5,
      ropeTheta: 10000,
      tiedEmbeddings: false,
    });
  });

  test('counts biases, and says which blocks have a window', () => {
    const plain = countParameters(llamaConfig({ ...fields, nKvHeads: 2 }));
    const biased = (rest: object) =>
      countParameters(llamaConfig({ ...fields, nKvHeads: 2, ...rest })) - plain;
    expect(biased({ attentionBias: 'qkv' })).toBe(2 * (96 + 48 + 48));
    expect(biased({ attentionBias: 'all' })).toBe(2 * (96 + 48 + 48 + 96));
    expect(biased({ mlpBias: true })).toBe(2 * (256 + 256 + 96));
    const mixed = llamaConfig({ ...fields, slidingWindow: 8, slidingLayers: [false, true] });
    expect([windowOf(mixed, 0), windowOf(mixed, 1)]).toEqual([undefined, 8]);
    expect(windowOf(llamaConfig({ ...fields, slidingWindow: 8 }), 0)).toBe(8);
    expect(llamaConfig({ ...fields, mlpBias: false })).not.toHaveProperty('mlpBias');
  });

  test('both truncations of the feed-forward rule', () => {
    expect(feedForwardDim(4096)).toBe(11008);
    expect(feedForwardDim(4096, { multiplier: 1.3, multipleOf: 1024 })).toBe(14336);
    expect(feedForwardDim(64, { multipleOf: 1 })).toBe(170);
  });

  test.each([
    [{ dmi: 3 }, 'did you mean "dim"?'],
    [{ nHeads: 5 }, 'dim 96 does not divide into 5 heads'],
    [{ nKvHeads: 3 }, '4 heads cannot share 3 kv heads'],
    [{ headDim: 7 }, 'headDim is 7'],
    [{ nLayers: 0 }, 'nLayers is 0'],
    [{ vocabSize: 1.5 }, 'vocabSize is 1.5'],
    [{ normEps: Number.NaN }, 'normEps is NaN'],
    [{ ropeTheta: -1 }, 'ropeTheta is -1'],
    [
      { ropeScaling: { factor: 8, lowFreqFactor: 4, highFreqFactor: 4, originalContextLength: 32 } },
      'low must lie below high',
    ],
    [{ ropeScaling: { factr: 8 } }, 'did you mean "factor"?'],
    [{ attentionBias: true }, 'attentionBias is true. hint: give "qkv" or "all"'],
    [{ mlpBias: 1 }, 'mlpBias is 1'],
    [{ slidingWindow: 0 }, 'slidingWindow is 0'],
    [{ slidingLayers: [true, false] }, 'slidingLayers are given without a slidingWindow'],
    [{ slidingWindow: 8, slidingLayers: [true] }, 'for each of 2 layers'],
  ])('refuses %j', (wrong, message) => {
    expect(() => llamaConfig({ ...fields, ...(wrong as object) })).toThrow(message);
  });
});

test('rope_freqs of Llama 3.1, bit for bit', () => {
  const { headDim, ropeTheta, ropeScaling } = presets['llama-3.1-8b'];
  const divisors = ropeFrequencyDivisors(headDim, ropeTheta, ropeScaling as Llama3Scaling);
  expect(Array.from(divisors.subarray(29, 35))).toEqual(
    [1.2074839, 1.5534147, 2.026313, 2.6945295, 3.6842527, 5.257326].map(Math.fround),
  );
  const hash = createHash('sha256').update(new Uint8Array(divisors.buffer)).digest('hex');
  expect(hash).toBe('80fd5efb2f729381785b293a091a268cfeceb0079167f6ece9b07070e662b222');
});
