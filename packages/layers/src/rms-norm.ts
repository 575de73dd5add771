import { accumulatorDType, type Parameter, type ParameterSpace, type Step, type Tensor } from '@cria/tensor';
import { type NormLayer, type ParameterHome, parameterSpace } from './layer.ts';

export type NormOptions = ParameterHome & {
  /** The parameter's name in checkpoints: `layers.0.attention_norm.weight`. */
  readonly name: string;
  /** D */
  readonly dim: number;
  /** Added to the mean square; default 1e-5. */
  readonly eps?: number;
};

/**
 * y = x · rsqrt(mean(x²) + eps) · gain
 * x, y: [T, D]   gain: [D]   rstd: [T]   (Zhang & Sennrich 2019)
 */
export class RMSNorm implements NormLayer {
  readonly parameters: ParameterSpace;
  readonly weight: Parameter;
  readonly eps: number;

  constructor(options: NormOptions) {
    const { name, dim, eps = 1e-5 } = options;
    this.parameters = parameterSpace('rmsNorm', options);
    this.weight = this.parameters.add(name, [dim], { init: { constant: 1 }, decay: false });
    this.eps = eps;
  }

  forward(x: Tensor, step: Step): Tensor {
    const rstd = step.training ? step.empty([x.rows], accumulatorDType(step.dtype)) : undefined;
    const y = this.#normalize(x, step, rstd);
    if (rstd) {
      step.save(x);
      step.save(rstd);
      step.release(rstd);
      step.recipe(y, () => this.#normalize(x, step));
    }
    return y;
  }

  /** dx = rstd · (dy∘gain − x̂ · mean(dy∘gain∘x̂));  dgain += Σ_T dy∘x̂       x̂ = x · rstd */
  backward(dy: Tensor, step: Step, into?: Tensor): Tensor {
    const rstd = step.restore();
    const x = step.restore();
    const dgain = this.weight.trainable ? step.gradient(this.weight) : undefined;
    const dx = into ?? step.empty(x.shape);
    step.device.kernels.rmsNormGrad(dx, dgain, dy, x, this.weight.value, rstd, {
      accumulate: into !== undefined,
    });
    step.release(x, rstd);
    return dx;
  }

  #normalize(x: Tensor, step: Step, rstd?: Tensor): Tensor {
    const y = step.empty(x.shape);
    step.device.kernels.rmsNorm(y, rstd, x, this.weight.value, { eps: this.eps });
    return y;
  }
}
