import type { ParameterSpace, Step, Tensor } from '@cria/tensor';
import { type FusedLayer, type ParameterHome, parameterSpace } from './layer.ts';
import { Linear } from './linear.ts';
import type { LinearFactory, LinearLayer, LinearsFactory, LinearsLayer } from './linear-layer.ts';
import { partMaker } from './linear-parts.ts';
import { Linears } from './linears.ts';
import { SwiGLU } from './swiglu.ts';

export type FeedForwardOptions = ParameterHome & {
  /** Prefix of the parameters' names: `layers.0.feed_forward`. */
  readonly name: string;
  /** D */
  readonly dim: number;
  /** F */
  readonly ffnDim: number;
  /** Number of the block it is in; default 0. */
  readonly layer?: number;
  /** Whether w1, w2 and w3 have a bias; default false. */
  readonly bias?: boolean;
  /** Standard deviation of the initial w2, which feeds the residual stream; default 0.02. */
  readonly outputStd?: number;
  /** How linear parts are made; default `Linear`. It may make a part of the hidden width only. */
  readonly linear?: LinearFactory;
  /** How gate and up become one part; default `Linears`. */
  readonly linears?: LinearsFactory;
};

/**
 * y = w2(silu(w1(x)) ∘ w3(x)) (+ residual), each with a bias where the model has them
 * x, y: [T, D]   w1(x), w3(x): [T, F]   (SwiGLU, Shazeer 2020)
 */
export class FeedForward implements FusedLayer {
  readonly parameters: ParameterSpace;
  /** Gate. */
  readonly w1: LinearLayer;
  /** Down. */
  readonly w2: LinearLayer;
  /** Up. */
  readonly w3: LinearLayer;
  /** w1 and w3 as one part. */
  readonly inputs: LinearsLayer;
  readonly swiglu = new SwiGLU();

  constructor(options: FeedForwardOptions) {
    const { name, dim, ffnDim, layer = 0, bias = false, outputStd = 0.02 } = options;
    const { linear = (each) => new Linear(each), linears = (each) => new Linears(each) } = options;
    const parameters = (this.parameters = parameterSpace('feedForward', options));
    const make = partMaker(linear, { parameters, name, layer });
    this.w1 = make('gate', 'w1', { inFeatures: dim, outFeatures: ffnDim, bias });
    this.w2 = make('down', 'w2', { inFeatures: ffnDim, outFeatures: dim, std: outputStd, bias });
    this.w3 = make('up', 'w3', { inFeatures: dim, outFeatures: ffnDim, bias });
    this.inputs = linears({ members: [this.w1, this.w3], parts: ['gate', 'up'], layer });
  }

  forward(x: Tensor, step: Step, residual?: Tensor): Tensor {
    const [gate, up] = this.inputs.forward(x, step) as [Tensor, Tensor];
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
    return this.inputs.backward([dgate, dup], step, into);
  }
}
