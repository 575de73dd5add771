import type { ParameterSpace, Step, Tensor } from '@cria/tensor';
import {
  type FusedLayer,
  type LinearFactory,
  type LinearLayer,
  type ParameterHome,
  parameterSpace,
} from './layer.ts';
import { forwardAll, Linear } from './linear.ts';
import { SwiGLU } from './swiglu.ts';

export type FeedForwardOptions = ParameterHome & {
  /** Prefix of the parameters' names: `layers.0.feed_forward`. */
  readonly name: string;
  /** D */
  readonly dim: number;
  /** F */
  readonly ffnDim: number;
  /** Standard deviation of the initial w2, which feeds the residual stream; default 0.02. */
  readonly outputStd?: number;
  /** How linear parts are made; default `Linear`. */
  readonly linear?: LinearFactory;
};

/** y = w2(silu(w1(x)) ∘ w3(x)) (+ residual)                             x, y: [T, D]   w1(x), w3(x): [T, F]   (SwiGLU, Shazeer 2020) */
export class FeedForward implements FusedLayer {
  readonly parameters: ParameterSpace;
  readonly w1: LinearLayer;
  readonly w2: LinearLayer;
  readonly w3: LinearLayer;
  readonly swiglu = new SwiGLU();

  constructor(options: FeedForwardOptions) {
    const { name, dim, ffnDim, outputStd = 0.02, linear = (each) => new Linear(each) } = options;
    const parameters = (this.parameters = parameterSpace('feedForward', options));
    this.w1 = linear({ parameters, name: `${name}.w1.weight`, inFeatures: dim, outFeatures: ffnDim });
    this.w2 = linear({
      parameters,
      name: `${name}.w2.weight`,
      inFeatures: ffnDim,
      outFeatures: dim,
      std: outputStd,
    });
    this.w3 = linear({ parameters, name: `${name}.w3.weight`, inFeatures: dim, outFeatures: ffnDim });
  }

  forward(x: Tensor, step: Step, residual?: Tensor): Tensor {
    const [gate, up] = forwardAll([this.w1, this.w3], x, step) as [Tensor, Tensor];
    // y gets its place before hidden, which then lies last and leaves no hole between what is kept.
    const place = step.empty([x.rows, this.w2.weight.shape[0]!]);
    const hidden = this.swiglu.forward(gate, up, step);
    step.release(gate, up, place);
    const y = this.w2.forward(hidden, step, residual);
    step.release(hidden);
    return y;
  }

  backward(dy: Tensor, step: Step, into?: Tensor): Tensor {
    const dhidden = this.w2.backward(dy, step);
    const { dgate, dup } = this.swiglu.backward(dhidden, step);
    step.release(dhidden);
    const dx = this.w3.backward(dup, step, into);
    step.release(dup);
    this.w1.backward(dgate, step, dx);
    step.release(dgate);
    return dx;
  }
}
