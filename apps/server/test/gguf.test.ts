import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { loadModel } from '../src/load-model.ts';

const model = fileURLToPath(
  new URL('../../../../shared/data/models/llama-2-tiny-random.gguf', import.meta.url),
);
const present = existsSync(model);
if (!present) console.warn(`skipped a model in GGUF: ${model} is absent`);

it.skipIf(!present)('loads a GGUF file with the tokenizer inside it', async () => {
  const loaded = await loadModel({ model, device: 'reference' } as Parameters<typeof loadModel>[0]);
  expect(loaded).toMatchObject({ id: 'llama-2-tiny-random', format: 'gguf', eosIds: [2] });
  expect(loaded.model.config).toMatchObject({ dim: 8, nLayers: 1, vocabSize: 32000 });
  expect(loaded.tokenizer.encode('Hello World', { addBos: false })).toEqual(Int32Array.from([15043, 2787]));
  loaded.model.parameters.free();
  loaded.model.parameters.device[Symbol.dispose]();
});
