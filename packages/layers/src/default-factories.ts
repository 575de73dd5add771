import { LinearCrossEntropy } from './cross-entropy.ts';
import { Embedding } from './embedding.ts';
import type { Factories } from './factories.ts';
import { Linear } from './linear.ts';
import { Linears } from './linears.ts';
import { RMSNorm } from './rms-norm.ts';
import { TransformerBlock } from './transformer-block.ts';

/** A whole model on one device, every weight plain. */
export const defaultFactories: Factories = {
  repeats: true,
  linear: (options) => new Linear(options),
  linears: (options) => new Linears(options),
  embedding: (options) => new Embedding(options),
  norm: (options) => new RMSNorm(options),
  block: (options) => new TransformerBlock(options),
  loss: (options) => new LinearCrossEntropy(options),
};
