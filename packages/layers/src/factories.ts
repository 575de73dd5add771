import type { ParameterSpace } from '@cria/tensor';
import type { LlamaConfig } from './config.ts';
import type { LossLayer, LossOptions } from './cross-entropy.ts';
import type { EmbeddingLayer, EmbeddingOptions } from './embedding.ts';
import type { BlockLayer, NormLayer } from './layer.ts';
import type { LinearFactory, LinearsFactory } from './linear-layer.ts';
import type { NormOptions } from './rms-norm.ts';
import type { RotaryEmbedding } from './rotary-embedding.ts';

/**
 * How a model makes its parts. Passing others is the seam for adapters (LoRA), quantised weights
 * and sharded layers: they keep the same forward and backward, and the model knows nothing of them.
 * Shapes of a block follow from what `linear` makes, so that a layout may make a part of the heads
 * or of the hidden width only.
 */
export interface Factories {
  /**
   * Whether these parts encode the same commands for every step of one shape, so that steps that
   * generate may be recorded. Default false where any factory is given.
   */
  readonly repeats: boolean;
  readonly linear: LinearFactory;
  /** Linear layers that `linear` made and that have one input: query, key and value; gate and up. */
  readonly linears: LinearsFactory;
  readonly embedding: (options: EmbeddingOptions) => EmbeddingLayer;
  readonly norm: (options: NormOptions) => NormLayer;
  readonly block: (options: BlockOptions) => BlockLayer;
  readonly loss: (options: LossOptions) => LossLayer;
}

export interface BlockOptions {
  readonly parameters: ParameterSpace;
  readonly config: LlamaConfig;
  /** Number of the block, from 0; its parameters are named `layers.<index>.…`. */
  readonly index: number;
  /** Shared by all blocks. */
  readonly rope: RotaryEmbedding;
  /** How the parts of the block are made. */
  readonly factories: Pick<Factories, 'linear' | 'linears' | 'norm'>;
}
