import type { Llama } from '@cria/layers';
import type { Step, Tensor } from '@cria/tensor';
import type { Batch } from '../batch.ts';

/** What a run makes small. An update follows the gradient of Σ losses / Σ count over its batches. */
export interface Objective {
  /**
   * A loss for every row, in nats, f32 (f64 beside f64). Ids are checked before anything is
   * encoded. A training step then holds what `backward` needs.
   */
  losses(model: Llama, batch: Batch, step: Step): Tensor;
  /** Adds the gradients of the sum of the losses to those of the model. */
  backward(model: Llama, step: Step): void;
  /** What the sum of the losses of a batch is divided by: the tokens that count. */
  count(batch: Batch): number;
}
