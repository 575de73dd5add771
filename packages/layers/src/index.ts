export { Attention, type AttentionOptions } from './attention.ts';
export {
  countParameters,
  feedForwardDim,
  type LlamaConfig,
  llamaConfig,
  type LlamaConfigFields,
  windowOf,
} from './config.ts';
export { LinearCrossEntropy, type LossLayer, type LossOptions } from './cross-entropy.ts';
export { Embedding, type EmbeddingLayer, type EmbeddingOptions } from './embedding.ts';
export { defaultFactories } from './default-factories.ts';
export type { BlockOptions, Factories } from './factories.ts';
export { FeedForward, type FeedForwardOptions } from './feed-forward.ts';
export type { BlockLayer, FusedLayer, Layer, NormLayer, ParameterHome } from './layer.ts';
export { Linear } from './linear.ts';
export type {
  LinearFactory,
  LinearLayer,
  LinearOptions,
  LinearPart,
  LinearsFactory,
  LinearsLayer,
  LinearsOptions,
} from './linear-layer.ts';
export { Linears } from './linears.ts';
export { Llama, type LlamaOptions } from './llama.ts';
export { type ActivationPlan, type MemoryPlan, planMemory, type PlanOptions } from './memory-plan.ts';
export { preset, type PresetName, presets } from './presets.ts';
export { type NormOptions, RMSNorm } from './rms-norm.ts';
export { inverseFrequencies, ropeFrequencyDivisors } from './rope-frequencies.ts';
export {
  type DynamicScaling,
  type LinearScaling,
  type Llama3Scaling,
  ropeAttentionFactor,
  type RopeScaling,
  yarnMagnitude,
  type YarnScaling,
} from './rope-scaling.ts';
export { RotaryEmbedding, type RotaryOptions } from './rotary-embedding.ts';
export { type Head, LlamaStage, type StageOptions } from './stage.ts';
export { SwiGLU } from './swiglu.ts';
export { TransformerBlock } from './transformer-block.ts';
export {
  VocabularyEmbedding,
  VocabularyOutput,
  type VocabularyRanks,
  vocabularyShard,
} from './vocabulary.ts';
