import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Checkpoint, loadForInference, openCheckpoint } from '@cria/checkpoint';
import { cpu, cpuAvailability } from '@cria/cpu';
import { perplexity } from '@cria/evaluation';
import type { Llama } from '@cria/layers';
import type { Tokenizer } from '@cria/tokenizer';
import { loadTokenizer } from '@cria/tokenizer/node';
import { describe, expect, it } from 'vitest';
import { collect, Engine, type GenerationRequest } from '../src/index.ts';
import { byteTokenizer } from '../../../scripts/support/byte-tokenizer.ts';
import { largeBlocks, plainTypes, smallBlocks, storeAs, wideModel } from './stored-models.ts';
import { storyText } from './story-text.ts';

const data = new URL('../../../../shared/data/models/', import.meta.url);
const path = (name: string) => fileURLToPath(new URL(name, data));
const present = existsSync(data);
if (!present) console.warn('skipped: ../shared/data/models is not here');
const native = cpuAvailability();
if (!native.available) console.warn(`skipped: ${native.reason}`);

/** A greedy text, and seven others that begin before it and after it and end when they like. */
const greedy: GenerationRequest = {
  prompt: 'One day, Tom',
  temperature: 0,
  maxTokens: 24,
  ignoreEos: true,
};
const others: GenerationRequest[] = [
  { prompt: '', seed: 1, temperature: 1, maxTokens: 30, ignoreEos: true },
  { prompt: 'a long prompt, longer than a block of the cache', seed: 2, maxTokens: 9, ignoreEos: true },
  { prompt: 'b', temperature: 0, maxTokens: 40, ignoreEos: true },
  { prompt: 'Tim', seed: 3, temperature: 0.7, maxTokens: 3, ignoreEos: true },
  { prompt: 'the end of ', seed: 4, maxTokens: 21, ignoreEos: true },
  { prompt: 'xyz', temperature: 0, maxTokens: 33, ignoreEos: true },
  { prompt: 'One day, Tom', seed: 5, temperature: 2, maxTokens: 17, ignoreEos: true },
];

/** The greedy text by itself, and in the middle of seven others that start one after the other. */
async function greedyTexts(model: Llama, tokenizer: Tokenizer): Promise<string[]> {
  await using alone = new Engine({ model, tokenizer, maxSequences: 1 });
  const first = await collect(alone.generate(greedy));
  await using together = new Engine({ model, tokenizer, maxSequences: 8, prefillChunk: 16 });
  const running: Promise<unknown>[] = [];
  const start = async (request: GenerationRequest) => {
    const texts = together.generate(request);
    const result = collect(texts);
    running.push(result);
    await new Promise((resolve) => setImmediate(resolve)); // some steps pass before the next begins
    return { result };
  };
  for (const request of others.slice(0, 4)) await start(request);
  const { result } = await start(greedy);
  for (const request of others.slice(4)) await start(request);
  const second = await result;
  await Promise.all(running);
  return [first.text, second.text];
}

/** Texts of every instruction set at one and two threads, alone and in a batch. */
async function textsOf(checkpoint: Checkpoint, tokenizer: Tokenizer): Promise<Map<string, Set<string>>> {
  const texts = new Map<string, Set<string>>();
  for (const isa of native.isas) {
    const found = new Set<string>();
    for (const threads of [1, 2]) {
      using device = cpu({ isa, threads });
      using loaded = await loadForInference(checkpoint, device);
      for (const text of await greedyTexts(loaded.model, tokenizer)) found.add(text);
    }
    texts.set(isa, found);
  }
  return texts;
}

const wide = wideModel();
describe.skipIf(!native.available)('the greedy text is one, at any threads and in any batch', () => {
  it.each([...plainTypes, ...smallBlocks, ...largeBlocks])('in %s, random weights', async (type) => {
    const checkpoint = await storeAs(await wide, type);
    for (const [isa, texts] of await textsOf(checkpoint, byteTokenizer)) {
      expect([isa, texts.size]).toEqual([isa, 1]);
      expect([...texts][0]!.length).toBeGreaterThan(0);
    }
  });

  it.skipIf(!present).each([...plainTypes, 'q8_0', 'q4_0'] as const)('in %s, stories260K', async (type) => {
    const checkpoint = await storeAs(await openCheckpoint(path('stories260K.bin')), type);
    for (const [isa, texts] of await textsOf(checkpoint, await loadTokenizer(path('tok512.bin')))) {
      expect([isa, texts.size]).toEqual([isa, 1]);
      expect([...texts][0]).toMatch(/[a-z]+ [a-z]+/);
    }
  });
});

describe.skipIf(!present || !native.available)('perplexity of stories260K', () => {
  it('changes by less than half a percent in Q8_0', async () => {
    const source = await openCheckpoint(path('stories260K.bin'));
    const tokenizer = await loadTokenizer(path('tok512.bin'));
    const measure = async (checkpoint: Checkpoint) => {
      using device = cpu();
      using loaded = await loadForInference(checkpoint, device);
      return (await perplexity(loaded.model, tokenizer, storyText)).perplexity;
    };
    const plain = await measure(source);
    expect(plain).toBeGreaterThan(3);
    expect(plain).toBeLessThan(30);
    const rounded = await measure(await storeAs(source, 'q8_0'));
    expect(rounded).not.toBe(plain);
    expect(Math.abs(rounded / plain - 1)).toBeLessThan(0.005);
  });
});
