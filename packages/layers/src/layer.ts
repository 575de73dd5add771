import { type Device, fail, ParameterSpace, type Step, type Tensor } from '@cria/tensor';

/**
 * A part of a model: forward, and the hand-written backward that undoes it.
 *
 * Who makes a tensor releases it. `forward` never changes x, keeps what its backward needs with
 * `step.save`, and gives a new tensor to the caller. `backward` takes the saved tensors back, adds
 * to the gradients of trainable parameters, leaves dy as it is, and gives dx to the caller. In a
 * training step every forward is followed by its backward, in reverse order.
 */
export interface Layer {
  forward(x: Tensor, step: Step): Tensor;
  backward(dy: Tensor, step: Step): Tensor;
}

/**
 * A layer that can add another tensor to its result, and its gradient to one that exists, without a
 * pass of its own.
 */
export interface FusedLayer extends Layer {
  /** y = layer(x) (+ residual) */
  forward(x: Tensor, step: Step, residual?: Tensor): Tensor;
  /** A new dx, or `into` after dx was added to it. (The gradient of the residual is dy itself.) */
  backward(dy: Tensor, step: Step, into?: Tensor): Tensor;
}

/** A norm's backward can add to a gradient that exists: the residual's. */
export type NormLayer = Layer & Pick<FusedLayer, 'backward'>;

/** A block of a model. Its backward takes dy over. */
export interface BlockLayer extends Layer {
  /** K·E as this block has them: the numbers of keys, and of values, that a row adds to its layer of a cache. */
  readonly cacheWidth: number;
}

/**
 * Where a layer's parameters live: in a space shared with others, or in one of its own on a device
 * (`layer.parameters`).
 */
export type ParameterHome =
  | { readonly parameters: ParameterSpace; readonly device?: never }
  | { readonly device: Device; readonly parameters?: never };

export function parameterSpace(op: string, home: ParameterHome): ParameterSpace {
  if (home.parameters) return home.parameters;
  if (home.device) return new ParameterSpace(home.device);
  return fail(
    op,
    'neither parameters nor device was given.',
    'pass { device } for a layer of its own, { parameters } inside a model',
  );
}
