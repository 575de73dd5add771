import { fail, nearestName } from '@cria/tensor';
import { feedForwardDim, type LlamaConfig, llamaConfig, type LlamaConfigFields } from './config.ts';
import type { Llama3Scaling } from './rope-scaling.ts';

/** LLaMA 1 and 2: one vocabulary of 32000 pieces, θ 10000. */
const llama1 = (fields: Omit<LlamaConfigFields, 'vocabSize'>) =>
  llamaConfig({ vocabSize: 32000, contextLength: 2048, ...fields });
const llama2 = (fields: Omit<LlamaConfigFields, 'vocabSize'>) =>
  llama1({ contextLength: 4096, normEps: 1e-5, ...fields });

/** Llama 3 and later: 128256 tokens, θ 500000, eight kv heads. */
const llama3 = (fields: Omit<LlamaConfigFields, 'vocabSize'>) =>
  llamaConfig({
    vocabSize: 128256,
    contextLength: 8192,
    nKvHeads: 8,
    normEps: 1e-5,
    ropeTheta: 500000,
    ...fields,
  });

/** Factor 8 in Llama 3.1; 32 in Llama 3.2 (Meta's own code says 8 there, the released configurations 32). */
const scaledBy = (factor: number): { contextLength: number; ropeScaling: Llama3Scaling } => ({
  contextLength: 131072,
  ropeScaling: { factor, lowFreqFactor: 1, highFreqFactor: 4, originalContextLength: 8192 },
});

const shape8b = {
  dim: 4096,
  nLayers: 32,
  nHeads: 32,
  ffnDim: feedForwardDim(4096, { multiplier: 1.3, multipleOf: 1024 }),
};
const shape70b = {
  dim: 8192,
  nLayers: 80,
  nHeads: 64,
  nKvHeads: 8,
  ffnDim: feedForwardDim(8192, { multiplier: 1.3, multipleOf: 4096 }),
};

/** The shapes of karpathy/llama2.c, trained on TinyStories. */
const small = (fields: Omit<LlamaConfigFields, 'vocabSize'> & { vocabSize?: number }) =>
  llamaConfig({
    vocabSize: 32000,
    contextLength: 1024,
    normEps: 1e-5,
    tiedEmbeddings: true,
    ffnDim: feedForwardDim(fields.dim, { multipleOf: 32 }),
    ...fields,
  });

/** Released shapes, with the exact constants of their releases. */
export const presets = {
  'llama-7b': llama1({ dim: 4096, nLayers: 32, nHeads: 32, normEps: 1e-6 }),
  'llama-13b': llama1({ dim: 5120, nLayers: 40, nHeads: 40, normEps: 1e-6 }),
  'llama-33b': llama1({ dim: 6656, nLayers: 60, nHeads: 52, normEps: 1e-6 }),
  'llama-65b': llama1({ dim: 8192, nLayers: 80, nHeads: 64, normEps: 1e-5 }),
  'llama-2-7b': llama2({ dim: 4096, nLayers: 32, nHeads: 32 }),
  'llama-2-13b': llama2({ dim: 5120, nLayers: 40, nHeads: 40 }),
  'llama-2-70b': llama2(shape70b),
  'llama-3-8b': llama3(shape8b),
  'llama-3-70b': llama3(shape70b),
  'llama-3.1-8b': llama3({ ...shape8b, ...scaledBy(8) }),
  'llama-3.1-70b': llama3({ ...shape70b, ...scaledBy(8) }),
  'llama-3.1-405b': llama3({
    dim: 16384,
    nLayers: 126,
    nHeads: 128,
    ffnDim: feedForwardDim(16384, { multiplier: 1.2, multipleOf: 4096 }),
    ...scaledBy(8),
  }),
  'llama-3.2-1b': llama3({
    dim: 2048,
    nLayers: 16,
    nHeads: 32,
    ffnDim: feedForwardDim(2048, { multiplier: 1.5 }),
    tiedEmbeddings: true,
    ...scaledBy(32),
  }),
  'llama-3.2-3b': llama3({
    dim: 3072,
    nLayers: 28,
    nHeads: 24,
    ffnDim: feedForwardDim(3072, { multiplier: 1.0 }),
    tiedEmbeddings: true,
    ...scaledBy(32),
  }),
  '260k': small({
    dim: 64,
    nLayers: 5,
    nHeads: 8,
    nKvHeads: 4,
    ffnDim: feedForwardDim(64, { multipleOf: 4 }),
    vocabSize: 512,
    contextLength: 512,
  }),
  '15m': small({ dim: 288, nLayers: 6, nHeads: 6, contextLength: 256 }),
  '42m': small({ dim: 512, nLayers: 8, nHeads: 8 }),
  '110m': small({ dim: 768, nLayers: 12, nHeads: 12 }),
} as const satisfies Record<string, LlamaConfig>;

export type PresetName = keyof typeof presets;

/** A preset by name, case ignored; throws with the nearest name where there is none. */
export function preset(name: string): LlamaConfig {
  const key = name.toLowerCase();
  if (Object.hasOwn(presets, key)) return presets[key as PresetName];
  const names = Object.keys(presets);
  const nearest = nearestName(name, names);
  return fail(
    'preset',
    `there is no preset "${name}".`,
    nearest ? `did you mean "${nearest}"?` : `presets are ${names.join(', ')}`,
  );
}
