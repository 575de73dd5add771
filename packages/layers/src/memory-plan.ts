import {
  accumulatorDType,
  byteLength,
  checkOptions,
  type ComputeDType,
  type Recompute,
  type Step,
} from '@cria/tensor';
import type { LlamaConfig } from './config.ts';
import { CountingDevice } from './counting-device.ts';
import { Llama } from './llama.ts';
import { tableRows } from './rotary-embedding.ts';

export interface PlanOptions {
  /** Tokens that go through the model together. */
  readonly rows: number;
  /** Of parameters and activations; default f32. */
  readonly dtype?: ComputeDType;
  /** Default `none`. */
  readonly recompute?: Recompute;
  /** First row of each packed sequence, and `rows` at the end; default one sequence. */
  readonly segments?: ArrayLike<number>;
  /** With gradients, moments and a backward pass; default false: hidden states, then logits of the last row. */
  readonly training?: boolean;
}

/** Bytes in the step's arena. */
export interface ActivationPlan {
  /** Kept per block for the backward pass, all blocks together. */
  readonly kept: {
    /** x of each block, and h between attention and feed-forward. */
    readonly residualStream: number;
    /** Outputs of both norms. */
    readonly norms: number;
    /** Rotated queries and keys, values, attention outputs. */
    readonly attention: number;
    /** w1(x) and w3(x). */
    readonly feedForward: number;
    /** silu(w1(x)) ∘ w3(x) */
    readonly swiglu: number;
    /** Log-sum-exp of every row and head, reciprocal deviations of both norms. */
    readonly statistics: number;
  };
  /** What lives for a part of the step only, at the moment of the peak, and the ends of the model. */
  readonly passing: number;
  /** Most bytes in use at one time: `step.arena.highWater`. */
  readonly peak: number;
}

/** Bytes by use. What the device needs for itself (scratch, packed copies, alignment of the arena's pieces) comes on top. */
export interface MemoryPlan {
  readonly parameters: number;
  readonly gradients: number;
  /** What the optimizer keeps beside f32 values: both moments of Adam. */
  readonly moments: number;
  /** f32 beside parameters in halves, where they are trained. */
  readonly masters: number;
  /** Cosines and sines of RoPE as far as the longest sequence. */
  readonly rope: number;
  readonly activations: ActivationPlan;
  readonly total: number;
}

/**
 * Memory of a step before there is any. The peak is no estimate: the model's own forward and backward run on a device that only
 * counts, in milliseconds for any size.
 */
export function planMemory(config: LlamaConfig, options: PlanOptions): MemoryPlan {
  checkOptions('planMemory', options, ['rows', 'dtype', 'recompute', 'segments', 'training']);
  const { rows, dtype = 'f32', recompute = 'none', segments = [0, rows], training = false } = options;
  using device = new CountingDevice();
  const model = new Llama(config, { device });
  model.parameters.allocate({ dtype, gradients: training, moments: training });
  // Positions only matter for the rope table, which is added below without being computed.
  using step = device.step({ rows, dtype, training, recompute, segments, positions: new Int32Array(rows) });
  runStep(model, step);
  const peak = step.arena.highWater;
  const kept = training ? keptActivations(config, rows, dtype, recompute) : nothingKept;
  const size = model.parameters.size;
  const wide = accumulatorDType(dtype);
  const parameters = byteLength(dtype, size);
  const gradients = training ? byteLength(wide, size) : 0;
  const moments = 2 * gradients;
  const masters = training && dtype !== wide ? byteLength(wide, size) : 0;
  const rope = byteLength(wide, tableRows(longest(segments)) * config.headDim);
  const passing = peak - Object.values(kept).reduce((sum, bytes) => sum + bytes, 0);
  return {
    parameters,
    gradients,
    moments,
    masters,
    rope,
    activations: { kept, passing, peak },
    total: parameters + gradients + moments + masters + rope + peak,
  };
}

function runStep(model: Llama, step: Step): void {
  const ids = new Int32Array(step.rows);
  const tokens = model.tokens(ids, step);
  if (step.training) {
    model.loss(tokens, model.targets(ids, step), step);
    model.backward(step);
  } else {
    model.logits(model.forward(tokens, step), step, [step.rows - 1]);
  }
}

const nothingKept: ActivationPlan['kept'] = {
  residualStream: 0,
  norms: 0,
  attention: 0,
  feedForward: 0,
  swiglu: 0,
  statistics: 0,
};

function keptActivations(
  config: LlamaConfig,
  rows: number,
  dtype: ComputeDType,
  recompute: Recompute,
): ActivationPlan['kept'] {
  const { dim, nLayers, nHeads, nKvHeads, headDim, ffnDim } = config;
  const all = (columns: number, of: ComputeDType = dtype) => nLayers * byteLength(of, rows * columns);
  if (recompute === 'full') return { ...nothingKept, residualStream: all(dim) };
  const outputs = recompute === 'none';
  return {
    residualStream: all(2 * dim),
    norms: outputs ? all(2 * dim) : 0,
    attention: all(2 * (nHeads + nKvHeads) * headDim),
    feedForward: all(2 * ffnDim),
    swiglu: outputs ? all(ffnDim) : 0,
    statistics: all(nHeads + 2, accumulatorDType(dtype)),
  };
}

function longest(segments: ArrayLike<number>): number {
  let rows = 1;
  for (let s = 0; s + 1 < segments.length; s++) rows = Math.max(rows, segments[s + 1]! - segments[s]!);
  return rows;
}
