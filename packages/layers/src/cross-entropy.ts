import { fail, type Step, type Tensor } from '@cria/tensor';
import type { LinearLayer } from './linear-layer.ts';

export interface LossOptions {
  /** The output layer, [V, D]. */
  readonly output: LinearLayer;
}

/** From hidden states to a loss per token, and back to the gradient of the hidden states. */
export interface LossLayer {
  /**
   * losses: [T], 0 where the target is −100, times the weight of the row.
   * hidden: [T, D]   targets: i32 [T]   weights: [T]
   */
  forward(hidden: Tensor, targets: Tensor, step: Step, weights?: Tensor): Tensor;
  /** Gradient of the sum of the losses, [T, D]. */
  backward(step: Step): Tensor;
}

/**
 * losses[t] = −weights[t] · log softmax(hidden[t]·wᵀ)[targets[t]], by the output layer itself, so
 * that whatever it is made of counts; the logits of a step never exist all at once. Refuses an
 * output layer that cannot.
 */
export class LinearCrossEntropy implements LossLayer {
  readonly output: LinearLayer;

  constructor(options: LossOptions) {
    const { output } = options;
    if (!output.crossEntropy)
      fail(
        'linearCrossEntropy',
        'the output layer takes no cross entropy.',
        'give it crossEntropy(), or the model a loss of its own: factories.loss',
      );
    this.output = output;
  }

  forward(hidden: Tensor, targets: Tensor, step: Step, weights?: Tensor): Tensor {
    return this.output.crossEntropy!(hidden, targets, step, weights);
  }

  backward(step: Step): Tensor {
    return step.restore();
  }
}
