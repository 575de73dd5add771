/** Models often have more rows than their vocabulary has tokens: no generation may end at one of those. */
import { afterAll, expect, it } from 'vitest';
import { byteTokenizer } from '../../../scripts/support/byte-tokenizer.ts';
import { run, tinyModel } from './tiny-model.ts';

const model = tinyModel();
afterAll(() => model.device[Symbol.dispose]());

/** The two rows without a token get logits of thousands, one below zero and one above, whatever the text. */
async function favourPaddedRows(): Promise<void> {
  const output = model.parameters.parameters.find(({ name }) => name === 'output.weight')!;
  const [rows = 0, columns = 0] = output.shape;
  expect(rows - byteTokenizer.vocabSize).toBeGreaterThanOrEqual(2);
  const values = await output.value.toFloat32();
  for (let c = 0; c < columns; c++) {
    values[(rows - 1) * columns + c] = 1e4 * Math.sin(c + 1);
    values[(rows - 2) * columns + c] = -1e4 * Math.sin(c + 1);
  }
  output.value.write(values);
}

it('a row without a token is never sampled, however likely the model thinks it', async () => {
  await favourPaddedRows();
  const { texts } = await run(model, {
    greedy: { prompt: 'abc', maxTokens: 20, temperature: 0 },
    sampled: { prompt: 'abc', maxTokens: 20, temperature: 2, seed: 5 },
    likely: { prompt: 'abc', maxTokens: 20, temperature: 1, topK: 2, seed: 6 },
  });
  for (const [name, { ids, finishReason }] of Object.entries(texts)) {
    expect(['length', 'stop'], name).toContain(finishReason);
    for (const id of ids) expect(id, name).toBeLessThan(byteTokenizer.vocabSize);
  }
});
