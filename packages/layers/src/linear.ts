import {
  accumulatorDType,
  fail,
  type Parameter,
  type ParameterSpace,
  type Step,
  type Tensor,
} from '@cria/tensor';
import { parameterSpace } from './layer.ts';
import type { LinearLayer, LinearOptions } from './linear-layer.ts';

/**
 * y = x·wᵀ (+ bias)
 * x: [T, C]   w: [N, C]   bias: [N]   y: [T, N]
 */
export class Linear implements LinearLayer {
  readonly parameters: ParameterSpace;
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;
  readonly #shared: boolean;
  #packed: Tensor | undefined;

  constructor(options: LinearOptions) {
    const { name, inFeatures, outFeatures, std = 0.02, bias = false, shard: part, weight } = options;
    this.parameters = parameterSpace('linear', options);
    this.#shared = weight !== undefined;
    weight?.share();
    this.weight =
      weight ??
      this.parameters.add(name, [outFeatures, inFeatures], { init: { normal: std }, decay: true, part });
    this.bias = bias
      ? this.parameters.add(biasName(name), [outFeatures], {
          init: { constant: 0 },
          decay: false,
          part: part && { of: part.of.slice(0, 1), begin: part.begin.slice(0, 1) },
        })
      : undefined;
  }

  get operand(): Tensor | undefined {
    return this.#packed ?? this.weight.value;
  }

  /** y = x·wᵀ (+ residual) (+ bias) */
  forward(x: Tensor, step: Step, residual?: Tensor): Tensor {
    const y = step.empty([x.rows, this.weight.shape[0]!]);
    const { kernels } = step.device;
    kernels.linear(y, x, this.#packed ?? this.weight.value, residual && { residual });
    if (this.bias) kernels.addBias(y, this.bias.value);
    if (this.weight.trainable) step.save(x);
    return y;
  }

  backward(dy: Tensor, step: Step, into?: Tensor): Tensor {
    const { kernels } = step.device;
    if (this.bias?.trainable) kernels.biasGrad(step.gradient(this.bias), dy); // dbias += Σ dy
    if (this.weight.trainable) {
      const x = step.restore();
      kernels.linearGradWeight(step.gradient(this.weight), dy, x); // dw += dyᵀ·x
      step.release(x);
    }
    const dx = into ?? step.empty([dy.rows, this.weight.shape[1]!]);
    kernels.linearGradInput(dx, dy, this.weight.value, { accumulate: into !== undefined }); // dx = dy·w
    return dx;
  }

  /** Both gradients are taken in the same pass, while a block of logits is there. */
  crossEntropy(x: Tensor, targets: Tensor, step: Step, weights?: Tensor): Tensor {
    if (!this.operand || this.bias)
      fail('linear', 'a layer that is more than its weight has no cross entropy of this kind.');
    const { weight } = this;
    if (weight.part && weight.part.of.join() !== weight.shape.join())
      fail(
        'linear',
        `${weight.name} [${weight.shape.join(', ')}] of [${weight.part.of.join(', ')}] has no cross entropy alone.`,
        'ranks that share a vocabulary have VocabularyOutput',
      );
    const { kernels } = step.device;
    const losses = step.empty([x.rows], accumulatorDType(step.dtype));
    if (!step.training) {
      kernels.linearCrossEntropy(losses, x, weight.value, targets, undefined, weights);
      return losses;
    }
    const dx = step.empty(x.shape);
    const dw = weight.trainable ? step.gradient(weight) : undefined;
    kernels.linearCrossEntropy(losses, x, weight.value, targets, { dx, dw }, weights);
    step.save(dx);
    step.release(dx);
    return losses;
  }

  /**
   * Takes the weight in the device's layout for `forward`. A weight of its own is replaced, and the
   * caller gives the original back; a shared one stays plain for its owner beside the packed copy.
   */
  pack(): void {
    const { device } = this.parameters;
    const packed = device.pack(this.weight.value);
    if (!this.#shared) this.weight.value = packed;
    else if (packed.layout === 'plain') device.free(packed.storage);
    else this.#packed = packed;
  }

  /** Gives the packed copy of a shared weight back; every other weight belongs to its parameter space. */
  free(): void {
    if (this.#packed) this.parameters.device.free(this.#packed.storage);
    this.#packed = undefined;
  }
}

/** Files name a bias as its weight, but for the last word. */
function biasName(weight: string): string {
  return weight.replace(/(\.weight)?$/, '.bias');
}
