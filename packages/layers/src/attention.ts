import {
  accumulatorDType,
  type AttentionShape,
  fail,
  type ParameterSpace,
  type Step,
  type Tensor,
} from '@cria/tensor';
import {
  type FusedLayer,
  type LinearFactory,
  type LinearLayer,
  type ParameterHome,
  parameterSpace,
} from './layer.ts';
import { forwardAll, Linear } from './linear.ts';
import type { RotaryEmbedding } from './rotary-embedding.ts';

export type AttentionOptions = ParameterHome & {
  /** Prefix of the parameters' names: `layers.0.attention`. */
  readonly name: string;
  /** D */
  readonly dim: number;
  /** H */
  readonly nHeads: number;
  /** K, a divisor of H; default H. */
  readonly nKvHeads?: number;
  /** Turns queries and keys; its headDim is E. Shared by all layers of a model. */
  readonly rope: RotaryEmbedding;
  /** Which layer of a step's cache belongs to this one; default 0. */
  readonly layer?: number;
  /** Standard deviation of the initial wo, which feeds the residual stream; default 0.02. */
  readonly outputStd?: number;
  /** How linear parts are made; default `Linear`. */
  readonly linear?: LinearFactory;
};

/**
 * Causal grouped-query attention with rotary positions (+ residual):  y = wo(softmax(rope(wq(x)) · rope(wk(x))ᵀ / √E) · wv(x))
 *                                                                       x, y: [T, D]   q, out: [T, H·E]   k, v: [T, K·E]   lse: [T, H]
 */
export class Attention implements FusedLayer {
  readonly parameters: ParameterSpace;
  readonly wq: LinearLayer;
  readonly wk: LinearLayer;
  readonly wv: LinearLayer;
  readonly wo: LinearLayer;
  readonly shape: AttentionShape;
  readonly rope: RotaryEmbedding;
  readonly layer: number;

  constructor(options: AttentionOptions) {
    const {
      name,
      dim,
      nHeads,
      nKvHeads = nHeads,
      rope,
      layer = 0,
      outputStd = 0.02,
      linear = (each) => new Linear(each),
    } = options;
    const parameters = (this.parameters = parameterSpace('attention', options));
    const [queries, keys] = [nHeads * rope.headDim, nKvHeads * rope.headDim];
    this.wq = linear({ parameters, name: `${name}.wq.weight`, inFeatures: dim, outFeatures: queries });
    this.wk = linear({ parameters, name: `${name}.wk.weight`, inFeatures: dim, outFeatures: keys });
    this.wv = linear({ parameters, name: `${name}.wv.weight`, inFeatures: dim, outFeatures: keys });
    this.wo = linear({
      parameters,
      name: `${name}.wo.weight`,
      inFeatures: queries,
      outFeatures: dim,
      std: outputStd,
    });
    this.shape = { heads: nHeads, kvHeads: nKvHeads };
    this.rope = rope;
    this.layer = layer;
  }

  forward(x: Tensor, step: Step, residual?: Tensor): Tensor {
    const [q, k, v] = forwardAll([this.wq, this.wk, this.wv], x, step) as [Tensor, Tensor, Tensor];
    this.rope.rotate(q, step, this.shape.heads);
    this.rope.rotate(k, step, this.shape.kvHeads);
    const out = step.cache ? this.#attendCache(q, k, v, step) : this.#attend(q, k, v, step);
    step.release(q, k, v);
    const y = this.wo.forward(out, step, residual);
    step.release(out);
    return y;
  }

  backward(dy: Tensor, step: Step, into?: Tensor): Tensor {
    const dout = this.wo.backward(dy, step);
    const { dq, dk, dv } = this.#attendBackward(dout, step);
    step.release(dout);
    this.rope.rotateBack(dk, step, this.shape.kvHeads);
    this.rope.rotateBack(dq, step, this.shape.heads);
    const dx = this.wv.backward(dv, step, into);
    this.wk.backward(dk, step, dx);
    this.wq.backward(dq, step, dx);
    step.release(dq, dk, dv);
    return dx;
  }

  /** Within the segments of the step; the log-sum-exp of each row and head is all that is kept of the scores. */
  #attend(q: Tensor, k: Tensor, v: Tensor, step: Step): Tensor {
    const out = step.empty(q.shape);
    const lse = step.empty([q.rows, this.shape.heads], accumulatorDType(step.dtype));
    step.device.kernels.attention(out, lse, q, k, v, segmentsOf(step), this.shape);
    for (const tensor of [q, k, v, out, lse]) step.save(tensor);
    step.release(lse);
    return out;
  }

  #attendBackward(dout: Tensor, step: Step): { dq: Tensor; dk: Tensor; dv: Tensor } {
    const [lse, out, v, k, q] = [
      step.restore(),
      step.restore(),
      step.restore(),
      step.restore(),
      step.restore(),
    ];
    const [dq, dk, dv] = [step.empty(q.shape), step.empty(k.shape), step.empty(v.shape)];
    step.device.kernels.attentionGrad(dq, dk, dv, dout, q, k, v, out, lse, segmentsOf(step), this.shape);
    step.release(lse, out, v, k, q);
    return { dq, dk, dv };
  }

  /** Adds this step's keys and values to the cache, then attends over all that each sequence has there. */
  #attendCache(q: Tensor, k: Tensor, v: Tensor, step: Step): Tensor {
    const { layers, slots, blockTable, queryStarts, lengths } = step.cache!;
    const cache = layers[this.layer];
    if (!cache)
      fail(
        'attention',
        `the cache has ${layers.length} layers, none for layer ${this.layer}.`,
        'give one per block of the model',
      );
    const { kernels } = step.device;
    const out = step.empty(q.shape);
    kernels.cacheWrite(cache.keys, cache.values, k, v, slots);
    kernels.pagedAttention(out, q, cache.keys, cache.values, blockTable, queryStarts, lengths, this.shape);
    return out;
  }
}

function segmentsOf(step: Step): Tensor {
  return step.segments ?? fail('attention', 'the step has neither segments nor a cache.');
}
