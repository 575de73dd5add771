import type { Kernels, LossGradients, Tensor } from '@cria/tensor';
import type { Place } from './command-list.ts';
import { type Encoder, f32, integers } from './encoder.ts';
import * as commands from './generated/commands.ts';
import { pack, packStrips, plain, product, stripsBytes, takesTiles } from './linear.ts';
import { LossWeight, MOST_PART } from './loss-weight.ts';
import { type Matrix, matrix, type Numbers, numbers, packedBytes, rowsFrom } from './matrix.ts';
import { unitOf } from './unpack.ts';

/** Bytes of logits that are held at one time, with a part of the weight where it goes through in parts. */
const MOST_LOGITS = 64 << 20;

/** What the softmax leaves in the memory of the logits: `CrossEntropy::Gradient` in cpp/kernels/cross-entropy.h. */
const gradientForms = { none: 0, f32: 1, bf16: 2 } as const;

/** What a part of the vocabulary says of a row: floats of `linearSoftmaxShare`. */
const SHARE = 3;

/** Where the pieces of one call lie, and what they have in common. */
interface Work {
  readonly encoder: Encoder;
  readonly weight: LossWeight;
  /** Arithmetic of products with the weight, and of those with the input. */
  readonly unit: Numbers;
  readonly inputUnit: Numbers;
  readonly vocabulary: number;
  readonly width: number;
  /** Floats from row to row of the logits. */
  readonly stride: number;
  /** Rows of a block along, for dw. */
  readonly inputs: Place;
  /** The same rows in strips, for logits; nowhere where products take them as they lie. */
  readonly strips: Place | undefined;
  readonly logits: Place;
}

/** Rows that go through together: their number, the first of them, and where their logits are. */
interface Block extends Pick<Work, 'logits' | 'stride'> {
  readonly first: number;
  readonly rows: number;
  readonly columns: number;
}

/**
 * Linear + cross entropy. Rows go through in blocks whose logits fit a bounded scratch; there they
 * become losses, then softmax − onehot in place (as bf16 where products would round it to that
 * anyway), from which dx (a sum over the vocabulary) and dw (a chain over the tokens, block after
 * block) come. Factors that several chunks read are packed once, those that blocks share too where
 * they are small.
 */
export function crossEntropyKernels(
  encoder: Encoder,
): Pick<Kernels, 'linearCrossEntropy' | 'linearSoftmaxShare' | 'linearCrossEntropyShare'> {
  return {
    linearCrossEntropy(losses, x, w, targets, grads, weights) {
      const gradient = gradientForms[grads ? gradientType(x, w) : 'none'];
      inBlocks(encoder, x, w, grads, ({ logits, first, ...block }) => {
        commands.crossEntropy(encoder.list, {
          losses: on(plain(losses), first),
          x: logits,
          targets: on(integers(targets), first),
          weights: weights && on(plain(weights), first),
          gradient,
          ...block,
        });
      });
    },

    linearSoftmaxShare(share, x, w, targets, { first: firstId }) {
      inBlocks(encoder, x, w, undefined, ({ logits, first, ...block }) => {
        commands.softmaxShare(encoder.list, {
          share: on(f32(share), SHARE * first),
          x: logits,
          targets: on(integers(targets), first),
          ...block,
          first: firstId,
        });
      });
    },

    linearCrossEntropyShare(losses, shares, x, w, targets, part, grads, weights) {
      const T = x.rows;
      const encode = ({ logits, first, ...block }: Omit<Block, 'logits'> & { logits: Place | undefined }) =>
        commands.crossEntropyShare(encoder.list, {
          losses: on(f32(losses), first),
          x: logits,
          shares: on(f32(shares), SHARE * first),
          targets: on(integers(targets), first),
          weights: weights && on(f32(weights), first),
          parts: shares.shape[0]!,
          apart: SHARE * T,
          half: gradientType(x, w) === 'bf16',
          ...block,
          first: part.first,
        });
      // Losses alone need no logits.
      if (grads) inBlocks(encoder, x, w, grads, encode);
      else encode({ logits: undefined, first: 0, rows: T, columns: w.rows, stride: 0 });
    },
  };
}

/** Makes the logits of block after block; `softmax` turns them into gradients, which go on where they are wanted. */
function inBlocks(
  encoder: Encoder,
  x: Tensor,
  w: Tensor,
  grads: LossGradients | undefined,
  softmax: (block: Block) => void,
): void {
  const [T, D, V] = [x.rows, x.columns, w.rows];
  const [unit, inputUnit] = [unitOf(x, w), numbers(x)];
  const weight = new LossWeight(encoder, w, unit, grads !== undefined);
  const block = rowsOfBlock(T, MOST_LOGITS - (weight.whole ? 0 : MOST_PART), V, encoder.rowChunk);
  // Not a power of two from row to row, which would put a column of the tile into one set of the cache.
  const stride = Math.ceil(V / 16) * 16 + 16;
  const inStrips = !takesTiles(encoder, unit);
  const [first, second, inputs, strips, logits, made] = encoder.scratch.begin(
    encoder.list,
    weight.scratch.first,
    weight.scratch.second,
    grads?.dw ? packedBytes(encoder, inputUnit, D, block) : 0,
    inStrips ? stripsBytes(encoder, unit, block, D) : 0,
    block * stride * 4,
    weight.scratch.made,
  ) as [Place, Place, Place, Place, Place, Place];
  weight.begin(first, second, made);
  const work: Work = {
    encoder,
    weight,
    unit,
    inputUnit,
    vocabulary: V,
    width: D,
    stride,
    inputs,
    strips: inStrips ? strips : undefined,
    logits,
  };
  for (let start = 0; start < T; start += block) {
    const rows = Math.min(block, T - start);
    const input = rowsFrom(matrix(x), start);
    score(work, input, rows);
    softmax({ logits, first: start, rows, columns: V, stride });
    if (grads) propagate(work, rowsFrom(matrix(grads.dx), start), grads.dw, input, rows);
  }
}

/** logits = x·wᵀ */
function score(work: Work, x: Matrix, rows: number): void {
  const { encoder, strips, unit, width, logits, stride, weight } = work;
  const lying = { ...x, as: 'byRows' } as const;
  if (strips) packStrips(encoder, strips, lying, unit, rows, width);
  const a = strips ? ({ place: strips, stride: 0, as: 'inStrips' } as const) : lying;
  weight.product({ place: logits, stride }, a, 'across', rows);
}

/** dx = p·w,  dw += pᵀ·x                                                    p = softmax − onehot */
function propagate(work: Work, dx: Matrix, dw: Tensor | undefined, x: Matrix, rows: number): void {
  const { encoder, inputUnit, vocabulary, width, logits } = work;
  const dtype = formOf(work);
  const p: Matrix = { place: logits, stride: dtype === 'bf16' ? 2 * work.stride : work.stride, dtype };
  work.weight.product(dx, { ...p, as: 'byRows' }, 'along', rows);
  if (!dw) return;
  pack(encoder, work.inputs, { ...x, as: 'along' }, inputUnit, width, rows);
  product(encoder, {
    c: { place: plain(dw), stride: width },
    a: { ...p, as: 'byColumns' },
    b: { place: work.inputs, stride: 0, as: 'packed' },
    rows: vocabulary,
    columns: width,
    k: rows,
    accumulate: true,
    unit: inputUnit,
  });
}

const gradientType = (x: Tensor, w: Tensor) => formOf({ unit: unitOf(x, w), inputUnit: numbers(x) });

/** Where both products would round it to bf16 it is. */
function formOf({ unit, inputUnit }: Pick<Work, 'unit' | 'inputUnit'>): 'f32' | 'bf16' {
  return unit === 'bf16' && inputUnit === 'bf16' ? 'bf16' : 'f32';
}

/** Whole chunks of rows, as many as the bound allows; blocks do not change any bit. */
function rowsOfBlock(rows: number, bytes: number, vocabulary: number, rowChunk: number): number {
  const fit = Math.floor(bytes / 4 / vocabulary / rowChunk) * rowChunk;
  return Math.max(1, Math.min(rows, Math.max(rowChunk, fit)));
}

/** Floats or integers from element `first` on. */
function on({ storage, offset }: Place, first: number): Place {
  return { storage, offset: offset + 4 * first };
}
