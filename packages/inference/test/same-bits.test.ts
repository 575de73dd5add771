/**
 * What a request yields, to the last bit of its log-probabilities, is the same alone and among 31
 * others, however they come and go and whatever the limits are.
 */
import { cpu, cpuAvailability } from '@cria/cpu';
import type { Llama } from '@cria/layers';
import { reference } from '@cria/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  collect,
  Engine,
  type EngineOptions,
  type GeneratedText,
  type GenerationRequest,
  encodePrompt,
  type Proposer,
} from '../src/index.ts';
import { byteTokenizer } from '../../../scripts/support/byte-tokenizer.ts';
import { tinyModel } from './tiny-model.ts';

const common = 'a beginning that several of them have';
const standard = { maxTokens: 12, ignoreEos: true, logProbabilities: 2 } as const;

/** Greedy and seeded; of one beginning, of others, and of none. */
const requests: readonly GenerationRequest[] = [
  { ...standard, prompt: common, temperature: 0 },
  { ...standard, prompt: `${common}, and`, temperature: 0.9, seed: 1 },
  { ...standard, prompt: `${common}, or`, temperature: 1.3, seed: 2, topP: 0.9 },
  { ...standard, prompt: common, temperature: 0.8, seed: 3, stream: 1, maxTokens: 20 },
  { ...standard, prompt: '', seed: 4, maxTokens: 30 },
  { ...standard, prompt: 'another', temperature: 0, repetitionPenalty: 1.3, maxTokens: 40 },
  { ...standard, prompt: 'a beginning that ends', temperature: 0.7, seed: 5, frequencyPenalty: 0.5 },
  { ...standard, prompt: common, temperature: 0, promptLogProbabilities: 1 },
];

const limits = fc.record({
  blockSize: fc.constantFrom(1, 4, 16),
  maxBatchRows: fc.constantFrom(1, 7, 32, 256),
  prefillChunk: fc.constantFrom(1, 5, 256),
  maxSequences: fc.constantFrom(1, 3, 8, 32),
  prefixCache: fc.boolean(),
  speculate: fc.constantFrom('no', 'ngram', 'known'),
  /** Contexts that the cache holds. */
  contexts: fc.constantFrom(1, 1, 2, 40),
});

/** One of the 32: which request, after how many steps it comes, and whether its reader leaves. */
const coming = fc.record({
  kind: fc.nat(requests.length - 1),
  after: fc.nat(30),
  leaves: fc.boolean(),
  share: fc.constantFrom('a', 'b', undefined),
  priority: fc.constantFrom(0, 0, 0, 1),
});
type Coming = typeof coming extends fc.Arbitrary<infer T> ? T : never;

const CONTEXT = 64;

type Limits = typeof limits extends fc.Arbitrary<infer T> ? T : never;
const drafted = { prefillChunk: 256, prefixCache: true, speculate: 'known' } as const;
/** Under the first drafts come true, under the second texts are preempted: always among those that are tried. */
const certain: readonly Limits[] = [
  { ...drafted, blockSize: 4, maxBatchRows: 32, maxSequences: 3, contexts: 40 },
  { ...drafted, blockSize: 16, maxBatchRows: 256, maxSequences: 32, contexts: 2 },
];
const everyKind: readonly Coming[] = Array.from({ length: 32 }, (_, i) => ({
  kind: i % requests.length,
  after: i % 7,
  leaves: false,
  share: undefined,
  priority: 0,
}));

/** What must be the same: all but what was found in the cache. */
interface Bits extends Pick<GeneratedText, 'text' | 'ids' | 'finishReason'> {
  readonly probabilities: unknown;
}

/** Knows what comes, but for every fourth id. */
function knowing(texts: readonly Bits[]): Proposer {
  const known = texts.map(({ ids }, i) => {
    const prompt = encodePrompt(byteTokenizer, requests[i]!.prompt as string);
    return [...prompt, ...ids];
  });
  return {
    propose: (ids, most) => {
      const text = known.find((each) => ids.every((id, i) => id === each[i])) ?? [];
      return text
        .slice(ids.length, ids.length + most)
        .map((id, i) => ((ids.length + i) % 4 === 0 ? 257 : id));
    },
  };
}

async function read(engine: Engine, request: GenerationRequest): Promise<Bits> {
  const own: unknown[] = [];
  const ofPrompt: unknown[] = [];
  const chunks = engine.generate(request);
  async function* watched() {
    for await (const chunk of chunks) {
      own.push(...(chunk.logProbabilities ?? []));
      ofPrompt.push(...(chunk.promptLogProbabilities ?? []));
      yield chunk;
    }
  }
  const { text, ids, finishReason } = await collect(watched());
  return { text, ids, finishReason, probabilities: [own, ofPrompt] };
}

async function alone(model: Llama): Promise<Bits[]> {
  const all: Bits[] = [];
  for (const request of requests) {
    await using engine = new Engine({ model, tokenizer: byteTokenizer, prefixCache: false });
    all.push(await read(engine, request));
  }
  return all;
}

interface Figures {
  preemptions: number;
  cachedTokens: number;
  acceptedTokens: number;
}

async function together(
  model: Llama,
  options: Partial<EngineOptions>,
  schedule: readonly Coming[],
  figures: Figures,
): Promise<unknown[]> {
  await using engine = new Engine({ model, tokenizer: byteTokenizer, ...options });
  const texts = schedule.map(async ({ kind, after, leaves, share, priority }) => {
    for (let i = 0; engine.stats.steps < after && i < 100; i++)
      await new Promise((resolve) => setImmediate(resolve));
    const request = { ...requests[kind]!, priority, ...(share !== undefined && { share }) };
    if (!leaves) return read(engine, request);
    for await (const chunk of engine.generate(request)) if (chunk.usage.completionTokens > 3) break;
    return undefined;
  });
  const all = await Promise.all(texts);
  const { stats } = engine;
  expect(stats).toMatchObject({ running: 0, waiting: 0, freeBlocks: stats.blocks });
  figures.preemptions += stats.preemptions;
  figures.cachedTokens += stats.cachedTokens;
  figures.acceptedTokens += stats.acceptedTokens;
  return all;
}

const devices = { reference: () => reference(), cpu: () => cpu({ threads: 2 }) };
const native = cpuAvailability().isas.length > 0;
if (!native) console.log('same-bits: the CPU device skipped, it is not built');

describe.each(native ? (['reference', 'cpu'] as const) : (['reference'] as const))('on %s', (name) => {
  it('every text is the one it is alone, in any schedule', { timeout: 120_000 }, async () => {
    using device = devices[name]();
    const model = tinyModel(device);
    const expected = await alone(model);
    expect(new Set(expected.map((each) => JSON.stringify(each))).size).toBe(requests.length);
    const known = knowing(expected);
    const figures = { preemptions: 0, cachedTokens: 0, acceptedTokens: 0 };
    const examples = certain.map((each): [Limits, Coming[]] => [each, [...everyKind]]);
    const schedules = fc.array(coming, { minLength: 32, maxLength: 32 });
    await fc.assert(
      fc.asyncProperty(limits, schedules, async ({ contexts, speculate, ...rest }, schedule) => {
        const proposer = speculate === 'known' ? { proposer: known } : {};
        const chosen = { ...rest, ...(speculate !== 'no' && { speculate: { tokens: 5, ...proposer } }) };
        const blocks = (contexts * CONTEXT) / chosen.blockSize;
        const texts = await together(model, { ...chosen, blocks }, schedule, figures);
        texts.forEach((text, i) => {
          const { kind, leaves } = schedule[i]!;
          if (!leaves) expect(text).toEqual(expected[kind]);
        });
      }),
      // A run takes half a second: a smaller counterexample is not worth the wait.
      { numRuns: 12, endOnFailure: true, examples },
    );
    expect(figures.preemptions).toBeGreaterThan(0);
    expect(figures.cachedTokens).toBeGreaterThan(300);
    expect(figures.acceptedTokens).toBeGreaterThan(50);
  });
});
