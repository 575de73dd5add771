import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openCheckpoint } from '@cria/checkpoint';
import { cpu, cpuAvailability } from '@cria/cpu';
import { Llama } from '@cria/layers';
import { type Device, reference } from '@cria/tensor';
import type { Tokenizer } from '@cria/tokenizer';
import { loadTokenizer } from '@cria/tokenizer/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { collect, Engine, generate, type GenerationRequest } from '../src/index.ts';

const folder = new URL('../../../../shared/data/models/', import.meta.url);
const path = (name: string) => fileURLToPath(new URL(name, folder));
const present = existsSync(folder);
if (!present) console.warn('skipped: ../shared/data/models is not here');
const native = cpuAvailability();
if (!native.available) console.warn(`skipped on cpu: ${native.reason}`);

const devices: { name: string; open: () => Device }[] = [
  { name: 'reference', open: () => reference() },
  ...(native.available
    ? [
        { name: 'cpu, 1 thread', open: () => cpu({ threads: 1 }) },
        { name: 'cpu, 2 threads', open: () => cpu({ threads: 2 }) },
        { name: 'cpu, 2 threads, in the background', open: () => cpu({ threads: 2, background: true }) },
      ]
    : []),
];

/** Requests of all kinds to share the steps with. */
const others: GenerationRequest[] = [
  { prompt: 'Tim and his dog', seed: 1, temperature: 1, maxTokens: 150, ignoreEos: true },
  { prompt: '', seed: 2, temperature: 0.7, topP: 0.9, maxTokens: 100 },
  {
    prompt: 'a b c d e f g h i j k l m n o p q r s t u v w x y z '.repeat(3),
    seed: 3,
    topK: 5,
    maxTokens: 60,
  },
  { prompt: '😀 ♥ ', seed: 4, minP: 0.1, maxTokens: 80, ignoreEos: true, stop: ['the', ' a'] },
];

describe.skipIf(!present).each(devices)('stories260K on $name', ({ open }) => {
  const story = present ? readFileSync(path('stories260K.greedy200.txt'), 'utf8').trimEnd() : '';
  const greedy: GenerationRequest = { prompt: '', temperature: 0, maxTokens: 200 };
  let model: Llama;
  let tokenizer: Tokenizer;

  beforeAll(async () => {
    const checkpoint = await openCheckpoint(path('stories260K.bin'));
    tokenizer = await loadTokenizer(path('tok512.bin'));
    model = new Llama(checkpoint.config, { device: open() });
    model.parameters.allocate();
    await checkpoint.load(model.parameters);
    model.pack();
  });
  afterAll(() => model.device[Symbol.dispose]());

  it('tells the story that llama2.c tells', async () => {
    const { text, ids } = await generate(model, tokenizer, '', greedy);
    expect(text).toBe(story);
    expect(ids.slice(0, 10)).toEqual([403, 407, 261, 378, 432, 383, 286, 261, 376, 298]);
  });

  it.each([
    ['in a batch', { maxSequences: 5 }],
    ['in a batch, prompts in pieces of 7', { maxSequences: 5, prefillChunk: 7 }],
    ['in a batch that is preempted', { maxSequences: 5, blocks: 16 }],
  ])('the same %s, and others do not change either', async (_, options) => {
    const alone = await Promise.all(
      others.map(({ prompt, ...rest }) => generate(model, tokenizer, prompt, rest)),
    );
    const engine = new Engine({ model, tokenizer, ...options });
    const [first, ...rest] = await Promise.all(
      [...others.slice(0, 2), greedy, ...others.slice(2)].map((request) => collect(engine.generate(request))),
    );
    expect([first, rest[0], ...rest.slice(2)]).toEqual(alone);
    expect(rest[1]!.text).toBe(story);
    if ('blocks' in options) expect(engine.stats.preemptions).toBeGreaterThan(0);
    expect(engine.stats.freeBlocks).toBe(engine.stats.blocks);
    await engine.close();
  });
});
