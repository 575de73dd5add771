import { Llama, llamaConfig } from '@cria/layers';
import { reference } from '@cria/tensor';
import { serveEngine } from '../src/engine-thread.ts';
import { byteTokenizer } from '../../../scripts/support/byte-tokenizer.ts';

// An engine's thread with a tiny random model, so that the server's tests need no file. The name of
// the model asks for trouble: `slow` takes 3 ms a step, `broken` throws at the first step, `dying`
// ends its thread at the first step, `fragile` throws after some slow ones, `poisoned` knows an id
// after which every logit is NaN, `absent` cannot be loaded. (`tiny-tokenizers.ts` knows more of
// them.)
await serveEngine(({ model: name }) => {
  if (name === 'absent')
    throw new Error('[openCheckpoint] cannot open absent (ENOENT). hint: there is no such file or folder');
  const config = llamaConfig({
    dim: 16,
    nLayers: 1,
    nHeads: 2,
    nKvHeads: 1,
    ffnDim: 32,
    vocabSize: 258,
    contextLength: 256,
  });
  const model = new Llama(config, { device: reference() });
  model.parameters.allocate();
  model.parameters.initialize(5);
  const { values } = model.parameters;
  for (let i = 0; i < 4; i++) model.device.kernels.add(values, values, values);
  let steps = 0;
  const forward = model.forward.bind(model);
  if (name === 'broken') {
    model.forward = () => {
      throw new Error('[device] lost.');
    };
  }
  if (name === 'fragile') {
    model.forward = (tokens, step) => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3);
      if (steps++ > 60) throw new Error('[device] lost.');
      return forward(tokens, step);
    };
  }
  if (name === 'poisoned') model.embedding.weight.value.slice(7, 8).write(new Float32Array(16).fill(NaN));
  if (name === 'dying') model.forward = () => process.exit(3);
  if (name === 'slow') {
    model.forward = (tokens, step) => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3);
      return forward(tokens, step);
    };
  }
  return Promise.resolve({
    model,
    tokenizer: byteTokenizer,
    format: 'random',
    id: name,
    fallbackReason: undefined,
    warnings: [],
    eosIds: [],
  });
});
