/**
 * Weights of one type with a cache of another: the same text at 1 and 2 threads, in a batch and
 * alone, and errors for what cannot be.
 */
import { cpu, cpuAvailability } from '@cria/cpu';
import { Llama, llamaConfig } from '@cria/layers';
import { type Device, type DType, dtypes, reference } from '@cria/tensor';
import { describe, expect, it } from 'vitest';
import { type CacheDType, cacheDTypes, Engine, type GenerationRequest } from '../src/index.ts';
import { byteTokenizer } from '../../../scripts/support/byte-tokenizer.ts';
import { run } from './tiny-model.ts';

const native = cpuAvailability().isas.length > 0;
if (!native) console.log('cache-dtype: the CPU device skipped, it is not built');

/** Heads of 32 in two groups, more keys than a chunk of 128. */
const config = llamaConfig({
  dim: 256,
  nLayers: 1,
  nHeads: 8,
  nKvHeads: 2,
  ffnDim: 256,
  vocabSize: 260,
  contextLength: 192,
  tiedEmbeddings: false,
});

/** Matrices of the layers in `dtype`, blocks of random bits with scales that keep activations lively. */
function modelOf(device: Device, dtype: DType): Llama {
  const model = new Llama(config, { device });
  model.parameters.allocate({ dtype: dtype === 'bf16' ? 'bf16' : 'f32' });
  model.parameters.initialize(3);
  if (dtypes[dtype].blockSize === 1) return model;
  for (const parameter of model.parameters.parameters) {
    if (parameter.shape.length < 2 || parameter.name.includes('emb')) continue;
    const blocks = device.empty(parameter.shape, dtype);
    const { blockBytes } = dtypes[dtype];
    const bytes = Uint8Array.from({ length: blocks.byteLength }, (_, i) => {
      const at = i % blockBytes;
      return at === 0
        ? 0
        : at === 1
          ? dtype === 'q8_0'
            ? 0x0c
            : 0x1c
          : (Math.imul(i, 2654435761) >>> 13) & 255;
    });
    device.writeBytes(blocks.storage, 0, bytes);
    parameter.value = device.pack(blocks);
  }
  return model;
}

const requests: Record<string, GenerationRequest> = {
  short: { prompt: 'one', temperature: 0, maxTokens: 24, ignoreEos: true },
  long: {
    prompt: 'a prompt of more than one chunk of keys '.repeat(3),
    temperature: 0,
    maxTokens: 24,
    ignoreEos: true,
  },
};

describe.runIf(native)('greedy texts', () => {
  const weights = ['f32', 'bf16', 'q8_0', 'q4_0'] as const;
  const pairs = weights.flatMap((weight) => cacheDTypes.map((cache) => [weight, cache] as const));

  it.each(pairs)('of weights in %s over a cache of %s', async (weight, cacheDType) => {
    using one = cpu({ threads: 1 });
    using two = cpu({ threads: 2 });
    const [first, second] = [modelOf(one, weight), modelOf(two, weight)];
    const { texts } = await run(first, requests, { cacheDType });
    expect((await run(second, requests, { cacheDType })).texts).toEqual(texts);
    for (const [name, request] of Object.entries(requests))
      expect((await run(first, { [name]: request }, { cacheDType, prefillChunk: 50 })).texts[name]).toEqual(
        texts[name],
      );
  });
});

describe('the option', () => {
  it('decides the memory', async () => {
    using device = reference();
    const model = modelOf(device, 'f32');
    const bytes = await Promise.all(
      cacheDTypes.map(async (cacheDType) => {
        await using engine = new Engine({ model, tokenizer: byteTokenizer, blocks: 4, cacheDType });
        return engine.stats.cacheBytes;
      }),
    );
    expect(bytes).toEqual([32768, 16384, 16384, 8704]);
  });

  it('refuses what cannot be', () => {
    using device = reference();
    const narrow = new Llama(llamaConfig({ dim: 32, nLayers: 1, nHeads: 2, vocabSize: 260 }), { device });
    expect(() => new Engine({ model: narrow, tokenizer: byteTokenizer, cacheDType: 'q8_0' })).toThrow(
      '[engine] heads of 16 do not divide into blocks of 32 of q8_0. hint: use a cache of f32, bf16 or f16',
    );
    expect(
      () => new Engine({ model: narrow, tokenizer: byteTokenizer, cacheDType: 'q4_0' as CacheDType }),
    ).toThrow('[engine] no cache of q4_0. hint: known are f32, bf16, f16, q8_0');
  });
});
