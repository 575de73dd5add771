import { afterAll, expect, it } from 'vitest';
import { collect, Engine, type EngineOptions } from '../src/index.ts';
import { byteTokenizer } from '../../../scripts/support/byte-tokenizer.ts';
import { tinyModel } from './tiny-model.ts';

const model = tinyModel();
afterAll(() => model.device[Symbol.dispose]());

/** Texts of these prompts made together, each with the others: the text, or the message of its error. */
async function together(prompts: readonly number[][], options: Partial<EngineOptions> = {}) {
  const engine = new Engine({ model, tokenizer: byteTokenizer, ...options });
  const all = prompts.map((prompt) =>
    collect(
      engine.generate({ prompt, temperature: 0.9, topP: 0.8, seed: 1, maxTokens: 12, ignoreEos: true }),
    ),
  );
  const ends = await Promise.allSettled(all);
  expect(engine.failure).toBeUndefined();
  expect(engine.stats).toMatchObject({ running: 0, waiting: 0, freeBlocks: engine.stats.blocks });
  // And it takes new ones.
  await collect(engine.generate({ prompt: 'x', maxTokens: 2 }));
  await engine.close();
  return ends.map((end) => (end.status === 'fulfilled' ? end.value.text : String(end.reason.message)));
}

const innocent = [
  [256, 1, 2],
  [256, 3],
  [256, 4, 5, 6, 7],
];

it('a text whose logits are NaN ends alone', async () => {
  const alone = await together(innocent);
  const broken = tinyModel();
  // A weight that overflowed: every text with id 9 in it is lost.
  broken.embedding.weight.value.slice(9, 10).write(new Float32Array(broken.config.dim).fill(NaN));
  const texts = await together([innocent[0]!, [256, 9], ...innocent.slice(1)], { model: broken });
  expect(texts.toSpliced(1, 1)).toEqual(alone);
  expect(texts[1]).toContain('[sampler] the largest logit is NaN');
  broken.device[Symbol.dispose]();
});

it('a text that cannot be decoded ends alone, whatever the decoder does', async () => {
  const decodeStream = () => {
    const decoder = byteTokenizer.decodeStream();
    let seen = 0;
    const push = (id: number): string => {
      if (id === 9) seen = 1;
      else if (seen > 0 && seen++ > 5) throw new TypeError('a bug');
      return decoder.push(id);
    };
    const end = () => {
      if (seen > 0) throw new TypeError('another bug');
      return decoder.end();
    };
    return { push, end };
  };
  const alone = await together(innocent);
  const texts = await together([innocent[0]!, [256, 9], ...innocent.slice(1)], {
    tokenizer: { ...byteTokenizer, decodeStream },
  });
  expect(texts.toSpliced(1, 1)).toEqual(alone);
  expect(texts[1]).toBe('a bug');
});
