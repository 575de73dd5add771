import {
  accumulatorDType,
  type AttentionShape,
  fail,
  type ParameterSpace,
  type Step,
  type Tensor,
} from '@cria/tensor';
import { type FusedLayer, type ParameterHome, parameterSpace } from './layer.ts';
import { Linear } from './linear.ts';
import type { LinearFactory, LinearLayer, LinearsFactory, LinearsLayer } from './linear-layer.ts';
import { partMaker } from './linear-parts.ts';
import { Linears } from './linears.ts';
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
  /** Number of the block it is in, and so which layer of a step's cache belongs to it; default 0. */
  readonly layer?: number;
  /** Which linear parts have a bias: query, key and value, or wo too. Default none. */
  readonly bias?: 'qkv' | 'all' | undefined;
  /** A row sees so many positions at most, its own among them; default all before it. */
  readonly window?: number | undefined;
  /** Standard deviation of the initial wo, which feeds the residual stream; default 0.02. */
  readonly outputStd?: number;
  /** How linear parts are made; default `Linear`. It may make a part of the heads only. */
  readonly linear?: LinearFactory;
  /** How query, key and value become one part; default `Linears`. */
  readonly linears?: LinearsFactory;
};

/**
 * Causal grouped-query attention with rotary positions (+ residual), over all positions before or a
 * window of them, biases not shown:
 *   y = wo(softmax(rope(wq(x)) · rope(wk(x))ᵀ / √E) · wv(x))
 * x, y: [T, D]   q, out: [T, H·E]   k, v: [T, K·E]   lse: [T, H]
 */
export class Attention implements FusedLayer {
  readonly parameters: ParameterSpace;
  readonly wq: LinearLayer;
  readonly wk: LinearLayer;
  readonly wv: LinearLayer;
  /** wq, wk and wv as one part. */
  readonly inputs: LinearsLayer;
  readonly wo: LinearLayer;
  /** As many heads as the linear parts have rows for. */
  readonly shape: AttentionShape;
  readonly rope: RotaryEmbedding;
  readonly layer: number;

  constructor(options: AttentionOptions) {
    const { name, dim, nHeads, nKvHeads = nHeads, rope, layer = 0, outputStd = 0.02 } = options;
    const { bias: biased, window } = options;
    const bias = biased !== undefined;
    const { linear = (each) => new Linear(each), linears = (each) => new Linears(each) } = options;
    const parameters = (this.parameters = parameterSpace('attention', options));
    const [queries, keys] = [nHeads * rope.headDim, nKvHeads * rope.headDim];
    const make = partMaker(linear, { parameters, name, layer });
    this.wq = make('query', 'wq', { inFeatures: dim, outFeatures: queries, bias });
    this.wk = make('key', 'wk', { inFeatures: dim, outFeatures: keys, bias });
    this.wv = make('value', 'wv', { inFeatures: dim, outFeatures: keys, bias });
    this.wo = make('attentionOutput', 'wo', {
      inFeatures: queries,
      outFeatures: dim,
      std: outputStd,
      bias: biased === 'all',
    });
    const members = [this.wq, this.wk, this.wv] as const;
    this.inputs = linears({ members, parts: ['query', 'key', 'value'], layer });
    this.shape = { ...headsOf(name, members, rope.headDim), ...(window === undefined ? {} : { window }) };
    this.rope = rope;
    this.layer = layer;
  }

  forward(x: Tensor, step: Step, residual?: Tensor): Tensor {
    const [q, k, v] = this.inputs.forward(x, step) as [Tensor, Tensor, Tensor];
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
    return this.inputs.backward([dq, dk, dv], step, into);
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

/** Heads as the weights of query, key and value have rows for them. */
function headsOf(
  name: string,
  [query, key, value]: readonly [LinearLayer, LinearLayer, LinearLayer],
  headDim: number,
): AttentionShape {
  const [queries, keys, values] = [query, key, value].map(({ weight }) => weight.shape[0]!) as [
    number,
    number,
    number,
  ];
  const [heads, kvHeads] = [queries / headDim, keys / headDim];
  if (!Number.isInteger(heads) || !Number.isInteger(heads / kvHeads) || keys !== values || keys % headDim) {
    fail(
      'attention',
      `${name} has weights of ${queries}, ${keys} and ${values} rows for query, key and value, in heads of ${headDim}.`,
      'a linear factory must keep whole heads, and as many query heads for each key head',
    );
  }
  return { heads, kvHeads };
}
