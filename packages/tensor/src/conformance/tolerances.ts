import type { ComputeDType } from '../dtype.ts';
import type { Kernels } from '../kernels.ts';

/*
 * How far a result may lie from the float64 oracle: largest |difference| over the largest |value|
 * of the tensor, some five to ten times what rounding each input and output once, and summing in
 * f32, gives. One table for all devices.
 */

type Row = Readonly<Record<ComputeDType, number>> & {
  /**
   * The scale is at least this: inputs are near 1, and a result of few elements may happen to be a
   * small difference of them.
   */
  readonly floor?: number;
};

const ROUNDED: Row = { f64: 1e-12, f32: 2e-6, f16: 4e-3, bf16: 2e-2, floor: 0.1 };
/** f32 sums of exact products of inputs (parameter gradients, statistics, losses): no half is ever stored. */
const WIDE: Row = { f64: 1e-12, f32: 5e-6, f16: 5e-6, bf16: 5e-6, floor: 1 };
/**
 * f32 results over intermediate values that a device may round to the compute dtype (probabilities,
 * gradients of logits).
 */
const THROUGH_HALF: Row = { f64: 1e-12, f32: 1e-5, f16: 4e-3, bf16: 2e-2, floor: 1 };
/** Differences of nearly equal numbers. */
const CANCELLING: Row = { f64: 1e-11, f32: 2e-5, f16: 1e-2, bf16: 5e-2, floor: 1 };
/**
 * Weights, keys and values stored in halves or blocks, where a device may round activations to
 * halves before it multiplies.
 */
const HALVED: Row = { f64: 1e-12, f32: 1e-2, f16: 1e-2, bf16: 2e-2, floor: 0.1 };
/** Block formats: a device may round activations to 8 bits in blocks of 32. */
const QUANTISED: Row = { f64: 1e-12, f32: 3e-2, f16: 3e-2, bf16: 3e-2, floor: 0.5 };

const EXCEPTIONS: Partial<Record<keyof Kernels, Readonly<Record<string, Row>>>> = {
  linear: { halved: HALVED, quantised: QUANTISED },
  linearGradInput: { halved: HALVED },
  linearGradWeight: { dw: WIDE },
  rmsNorm: { rstd: WIDE },
  rmsNormGrad: { dx: CANCELLING, dgain: WIDE },
  embeddingGrad: { dtable: WIDE },
  biasGrad: { dbias: WIDE },
  attention: { lse: WIDE },
  pagedAttention: { halved: HALVED },
  attentionGrad: { dq: CANCELLING, dk: CANCELLING, dv: CANCELLING },
  logProbabilities: { chosen: WIDE, topValues: WIDE },
  linearCrossEntropy: {
    losses: WIDE,
    dx: CANCELLING,
    dw: THROUGH_HALF,
    lossesOfBlocks: THROUGH_HALF,
    dxOfBlocks: CANCELLING,
  },
  linearSoftmaxShare: { share: WIDE },
  linearCrossEntropyShare: { losses: WIDE, dx: CANCELLING, dw: THROUGH_HALF },
  sumSquares: { out: WIDE },
  adamw: { value: WIDE, firstMoment: WIDE, secondMoment: WIDE },
};

export function toleranceOf(
  kernel: keyof Kernels,
  output: string,
  dtype: ComputeDType,
): { tolerance: number; floor: number } {
  const row = EXCEPTIONS[kernel]?.[output] ?? ROUNDED;
  return { tolerance: row[dtype], floor: row.floor ?? 0 };
}
