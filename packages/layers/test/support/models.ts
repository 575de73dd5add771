import { openStep } from '@cria/tensor';
import type { AllocateOptions, Device, StepOptions } from '@cria/tensor';
import { Llama, llamaConfig, type LlamaConfig, type LlamaOptions } from '../../src/index.ts';
import { randomArray } from './numbers.ts';
import type { Weights } from './oracle.ts';

const base = { dim: 12, nLayers: 2, nHeads: 4, headDim: 6, ffnDim: 20, vocabSize: 23, contextLength: 64 };

/** Small shapes that between them hold every special case. */
export const shapes: Record<string, LlamaConfig> = {
  mha: llamaConfig(base),
  gqa: llamaConfig({ ...base, nKvHeads: 2, ropeTheta: 500000 }),
  mqa: llamaConfig({ ...base, nKvHeads: 1, nLayers: 3 }),
  tied: llamaConfig({ ...base, tiedEmbeddings: true, normEps: 1e-6 }),
  'scaled rope': llamaConfig({
    ...base,
    headDim: 8,
    nKvHeads: 2,
    ropeScaling: { factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalContextLength: 32 },
  }),
  'biases of query, key and value': llamaConfig({ ...base, nKvHeads: 2, attentionBias: 'qkv' }),
  'biases, and a window in one layer': llamaConfig({
    ...base,
    attentionBias: 'all',
    mlpBias: true,
    slidingWindow: 3,
    slidingLayers: [true, false],
  }),
};

/** Weights that make every part matter: larger than at the start of training, gains unlike 1. */
export function randomWeights(config: LlamaConfig, device: Device, seed = 1): Weights {
  const weights: Weights = {};
  for (const { name, size, shape } of new Llama(config, { device }).parameters.parameters) {
    const values = randomArray(size, seed++, shape.length === 1 ? 0.2 : 0.35);
    weights[name] = shape.length === 1 ? values.map((value) => Math.fround(1 + value)) : values;
  }
  return weights;
}

export function makeLlama(
  config: LlamaConfig,
  device: Device,
  weights: Record<string, ArrayLike<number>>,
  options: AllocateOptions & Omit<LlamaOptions, 'device'> = {},
): Llama {
  const { pairing, factories, ...memory } = options;
  const model = new Llama(config, { device, ...(pairing && { pairing }), ...(factories && { factories }) });
  model.parameters.allocate(memory);
  const { parameters } = model;
  for (const parameter of parameters.parameters) parameters.master(parameter).write(weights[parameter.name]!);
  parameters.roundMasters();
  return model;
}

export interface TrainingBatch {
  readonly tokens: ArrayLike<number>;
  readonly targets: ArrayLike<number>;
}

/** Losses of one training step; gradients are left in the model. */
export async function trainingStep(
  model: Llama,
  batch: TrainingBatch,
  options: Omit<StepOptions, 'rows' | 'training'> = {},
) {
  using step = openStep(model.device, { rows: batch.tokens.length, training: true, ...options });
  const losses = model.loss(model.tokens(batch.tokens, step), model.targets(batch.targets, step), step);
  model.backward(step);
  return { losses: await losses.read(), saved: step.savedCount, highWater: step.arena.highWater };
}
