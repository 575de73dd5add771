import { Llama, llamaConfig } from '@cria/layers';
import { openStep, reference } from '@cria/tensor';
import { afterAll, describe, expect, it } from 'vitest';
import { byteTokenizer } from '../../../scripts/support/byte-tokenizer.ts';
import { perplexity } from '../src/index.ts';

const contextLength = 16;
const device = reference();
const model = new Llama(llamaConfig({ dim: 16, nLayers: 2, nHeads: 2, vocabSize: 258, contextLength }), {
  device,
});
model.parameters.allocate();
model.parameters.initialize(4);
afterAll(() => {
  model[Symbol.dispose]();
  device[Symbol.dispose]();
});

const text = 'a llama and another llama, and grass';

describe('perplexity', () => {
  it('is that of the loss of training, over windows that begin with BOS and do not overlap', async () => {
    const bytes = [...new TextEncoder().encode(text)];
    let [sum, count] = [0, 0];
    for (let at = 0; at < bytes.length; at += contextLength - 1) {
      const window = [256, ...bytes.slice(at, at + contextLength - 1)];
      const [tokens, targets] = [window.slice(0, -1), window.slice(1)];
      using step = openStep(device, { rows: tokens.length });
      const losses = model.loss(model.tokens(tokens, step), model.targets(targets, step), step);
      for (const loss of await losses.toFloat32()) sum += loss;
      count += targets.length;
    }
    const found = await perplexity(model, byteTokenizer, text);
    expect(count).toBe(bytes.length);
    expect(found.tokens).toBe(count);
    expect(Math.abs(found.perplexity / Math.exp(sum / count) - 1)).toBeLessThan(1e-6);
  });

  it('needs no BOS, and predicts the first token of no window then', async () => {
    const plain = { ...byteTokenizer, bosId: undefined };
    expect((await perplexity(model, plain, text)).tokens).toBe(
      text.length - Math.ceil(text.length / contextLength),
    );
  });

  it('refuses a text without a token to predict', async () => {
    await expect(perplexity(model, byteTokenizer, '')).rejects.toThrow('fewer than two tokens');
    await expect(perplexity(model, { ...byteTokenizer, bosId: undefined }, 'a')).rejects.toThrow(
      'fewer than two',
    );
  });
});
