import { accumulatorDType, type Step, type Tensor } from '@cria/tensor';
import type { LinearLayer } from './linear-layer.ts';

export interface LossOptions {
  /** The output layer, [V, D]. */
  readonly output: LinearLayer;
}

/** From hidden states to a loss per token, and back to the gradient of the hidden states. */
export interface LossLayer {
  /** losses: [T], 0 where the target is −100.                            hidden: [T, D]   targets: i32 [T] */
  forward(hidden: Tensor, targets: Tensor, step: Step): Tensor;
  /** Gradient of the sum of the losses, [T, D]. */
  backward(step: Step): Tensor;
}

/**
 * losses[t] = −log softmax(hidden[t]·wᵀ)[targets[t]], with the output matrix inside, so that the logits of a step never exist all at
 * once. A training step takes both gradients in the forward pass, while a block of logits is there.
 */
export class LinearCrossEntropy implements LossLayer {
  readonly output: LinearLayer;

  constructor(options: LossOptions) {
    this.output = options.output;
  }

  forward(hidden: Tensor, targets: Tensor, step: Step): Tensor {
    const { weight } = this.output;
    const { kernels } = step.device;
    const losses = step.empty([hidden.rows], accumulatorDType(step.dtype));
    if (!step.training) {
      kernels.linearCrossEntropy(losses, hidden, weight.value, targets);
      return losses;
    }
    const dx = step.empty(hidden.shape);
    kernels.linearCrossEntropy(losses, hidden, weight.value, targets, {
      dx,
      dw: weight.trainable ? step.gradient(weight) : undefined,
    });
    step.save(dx);
    step.release(dx);
    return losses;
  }

  backward(step: Step): Tensor {
    return step.restore();
  }
}
