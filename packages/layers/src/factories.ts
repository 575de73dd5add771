import { LinearCrossEntropy, type LossLayer, type LossOptions } from './cross-entropy.ts';
import { Embedding, type EmbeddingLayer, type EmbeddingOptions } from './embedding.ts';
import type { Layer, LinearFactory, NormLayer } from './layer.ts';
import { Linear } from './linear.ts';
import { type NormOptions, RMSNorm } from './rms-norm.ts';
import { type BlockOptions, TransformerBlock } from './transformer-block.ts';

/**
 * How a model makes its parts. Passing others is the seam for adapters (LoRA), quantised weights and sharded layers: they keep the same
 * forward and backward, and the model knows nothing of them.
 */
export interface Factories {
  readonly linear: LinearFactory;
  readonly embedding: (options: EmbeddingOptions) => EmbeddingLayer;
  readonly norm: (options: NormOptions) => NormLayer;
  readonly block: (options: BlockOptions) => Layer;
  readonly loss: (options: LossOptions) => LossLayer;
}

export const defaultFactories: Factories = {
  linear: (options) => new Linear(options),
  embedding: (options) => new Embedding(options),
  norm: (options) => new RMSNorm(options),
  block: (options) => new TransformerBlock(options),
  loss: (options) => new LinearCrossEntropy(options),
};
