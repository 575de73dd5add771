import { Llama, llamaConfig } from '@cria/layers';
import { type Device, reference } from '@cria/tensor';
import {
  collect,
  Engine,
  type EngineOptions,
  type GeneratedText,
  type GenerationRequest,
} from '../src/index.ts';
import { byteTokenizer } from '../../../scripts/support/byte-tokenizer.ts';

/** A random LLaMA over bytes whose logits are lively enough that greedy texts differ. */
export function tinyModel(device: Device = reference()): Llama {
  const config = llamaConfig({
    dim: 16,
    nLayers: 2,
    nHeads: 4,
    nKvHeads: 2,
    ffnDim: 32,
    vocabSize: 260,
    contextLength: 64,
    tiedEmbeddings: false,
  });
  const model = new Llama(config, { device });
  model.parameters.allocate();
  model.parameters.initialize(11);
  // Sixteen times the usual standard deviation.
  const { values } = model.parameters;
  for (let i = 0; i < 4; i++) device.kernels.add(values, values, values);
  return model;
}

export type Texts = Record<string, GeneratedText>;

/** All requests at once through one engine; the results by name, and the engine's figures at the end. */
export async function run(
  model: Llama,
  requests: Record<string, GenerationRequest>,
  options: Partial<EngineOptions> = {},
): Promise<{ texts: Texts; engine: Engine }> {
  const engine = new Engine({ model, tokenizer: byteTokenizer, ...options });
  const entries = Object.entries(requests).map(
    async ([name, request]) => [name, await collect(engine.generate(request))] as const,
  );
  const texts = Object.fromEntries(await Promise.all(entries));
  const { stats } = engine;
  if (stats.freeBlocks !== stats.blocks) throw new Error(`blocks leaked: ${JSON.stringify(stats)}`);
  await engine.close();
  return { texts, engine };
}
