import type { Parameter, ParameterPart, Step, Tensor } from '@cria/tensor';
import type { FusedLayer, ParameterHome } from './layer.ts';

/** What a linear layer is to its model: what an adapter or a layout goes by, so that nobody reads names. */
export type LinearPart = 'query' | 'key' | 'value' | 'attentionOutput' | 'gate' | 'up' | 'down' | 'output';

export type LinearOptions = ParameterHome & {
  /** The parameter's name in checkpoints: `layers.0.attention.wq.weight`. */
  readonly name: string;
  /** Absent for a layer that stands alone. */
  readonly part?: LinearPart;
  /** Number of the block it is in, from 0; absent outside blocks. */
  readonly layer?: number;
  /** C */
  readonly inFeatures: number;
  /** N */
  readonly outFeatures: number;
  /** Standard deviation of the initial weights; default 0.02. */
  readonly std?: number;
  /**
   * With a bias [N], named as the weight but for the end: `layers.0.attention.wq.bias`; zero at
   * first. Default false.
   */
  readonly bias?: boolean;
  /**
   * Where the weight is a part of a larger one, a rank's share of it: which; default the whole. A
   * bias is cut along its rows.
   */
  readonly shard?: ParameterPart;
  /** A weight [N, C] that another layer owns (tied embeddings). */
  readonly weight?: Parameter;
};

/** y = x·wᵀ (+ residual) (+ bias), however the weight is stored or made. */
export interface LinearLayer extends FusedLayer {
  /** [N, C] */
  readonly weight: Parameter;
  /** [N], where there is one. */
  readonly bias?: Parameter | undefined;
  /** Takes the weight in the device's fastest layout, for inference. */
  pack(): void;
  /**
   * Where `forward` is `kernels.linear`, and `kernels.addBias` of a bias, and a training step saves
   * x alone: the weight that it takes.
   */
  readonly operand?: Tensor | undefined;
  /**
   * Where the layer can be the output of a model: −weights[t] · log
   * softmax(forward(x)[t])[targets[t]] of every row, without the logits of all rows at once. A
   * training step saves the gradient of x of their sum, [T, C], and adds that of the weight.
   */
  crossEntropy?(x: Tensor, targets: Tensor, step: Step, weights?: Tensor): Tensor;
  /** Gives back what `pack` made beside the parameters. */
  free(): void;
}

export type LinearFactory = (options: LinearOptions) => LinearLayer;

/** Linear layers of one x as one part: what they share (a kernel call, a collective) is done once. */
export interface LinearsLayer {
  readonly members: readonly LinearLayer[];
  /** One y a member.                                                       x: [T, C]   y: [T, N of the member] */
  forward(x: Tensor, step: Step): Tensor[];
  /**
   * The sum of the members' dx, or `into` after it was added; takes each dy over and releases it as
   * soon as it is used up.
   */
  backward(dys: readonly Tensor[], step: Step, into?: Tensor): Tensor;
}

export interface LinearsOptions {
  /** Made by the linear factory, in the order in which `forward` gives their results. */
  readonly members: readonly LinearLayer[];
  /** What each of them is. */
  readonly parts: readonly LinearPart[];
  /** Number of the block they are in, from 0. */
  readonly layer: number;
}

export type LinearsFactory = (options: LinearsOptions) => LinearsLayer;
