import {
  accumulatorDType,
  byteLength,
  checkOptions,
  type ComputeDType,
  openStep,
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
  /** Of activations, and of parameters where they are not trained; default f32. */
  readonly dtype?: ComputeDType;
  /** Default `none`. */
  readonly recompute?: Recompute;
  /** First row of each packed sequence, and `rows` at the end; default one sequence. */
  readonly segments?: ArrayLike<number>;
  /** With gradients, moments and a backward pass; default false: hidden states, then logits of the last row. */
  readonly training?: boolean;
  /**
   * Passes whose gradients add up before an update; default 1. Of several, all but the first begin
   * with every gradient there, and with what a tied embedding of the passes before will add to its
   * own.
   */
  readonly passes?: number;
}

/** Bytes in the step's arena, gradients not counted. */
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
  /** Most bytes in use at one time. */
  readonly peak: number;
}

/**
 * Bytes by use. What the device needs for itself (scratch, packed copies, alignment of the arena's
 * pieces) comes on top.
 */
export interface MemoryPlan {
  /** f32 where they are trained (f64 beside f64). */
  readonly parameters: number;
  /** All of them; they are borrowed, and few are there at the moment of the peak. */
  readonly gradients: number;
  /** What the optimizer keeps: both moments of Adam. */
  readonly moments: number;
  /** Cosines and sines of RoPE as far as the longest sequence. */
  readonly rope: number;
  readonly activations: ActivationPlan;
  /** Most bytes of activations and borrowed gradients together: `step.arena.highWater`. */
  readonly arena: number;
  readonly total: number;
}

/**
 * Memory of a step before there is any. The peak is no estimate: the model's own forward and
 * backward run on a device that only counts, in milliseconds for any size.
 */
export function planMemory(config: LlamaConfig, options: PlanOptions): MemoryPlan {
  checkOptions('planMemory', options, ['rows', 'dtype', 'recompute', 'segments', 'training', 'passes']);
  const { rows, dtype = 'f32', recompute = 'none', segments = [0, rows], training = false } = options;
  const { size, peak } = count(config, options, training);
  const arena = training ? count(config, options, 'borrowed').peak : peak;
  const kept = training ? keptActivations(config, rows, dtype, recompute) : nothingKept;
  const wide = accumulatorDType(dtype);
  const parameters = byteLength(training ? wide : dtype, size);
  const gradients = training ? byteLength(wide, size) : 0;
  const moments = 2 * gradients;
  const rope = byteLength(wide, tableRows(longest(segments)) * config.headDim);
  const passing = peak - Object.values(kept).reduce((sum, bytes) => sum + bytes, 0);
  return {
    parameters,
    gradients,
    moments,
    rope,
    activations: { kept, passing, peak },
    arena,
    total: parameters + moments + rope + arena,
  };
}

/** Elements of the parameter space, and the most bytes of an arena that passes take. */
function count(
  config: LlamaConfig,
  {
    rows,
    dtype = 'f32',
    recompute = 'none',
    segments = [0, rows],
    training = false,
    passes = 1,
  }: PlanOptions,
  gradients: boolean | 'borrowed',
): { readonly size: number; readonly peak: number } {
  using device = new CountingDevice();
  const model = new Llama(config, { device });
  model.parameters.allocate({ dtype, gradients });
  // Positions only matter for the rope table, which is added without being computed.
  const positions = new Int32Array(rows);
  const peaks: number[] = [];
  while (peaks.length < Math.min(passes, 3)) {
    using step = openStep(device, { rows, dtype, training, recompute, segments, positions });
    runStep(model, step);
    peaks.push(step.arena.highWater);
  }
  // From the third pass on each keeps as much as the one before it: what a tied embedding adds to
  // its gradient at the end.
  const [peak = 0, before = peak] = peaks.reverse();
  return { size: model.parameters.size, peak: peak + (passes - peaks.length) * (peak - before) };
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
