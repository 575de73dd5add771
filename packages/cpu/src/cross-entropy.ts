import type { Kernels, Tensor } from '@cria/tensor';
import type { Place } from './command-list.ts';
import { type Encoder, integers } from './encoder.ts';
import * as commands from './generated/commands.ts';
import {
  arithmetic,
  pack,
  packedBytes,
  packStrips,
  plain,
  type Product,
  product,
  stripsBytes,
  takesTiles,
} from './linear.ts';
import { elementsOn, fromColumn, type Matrix, matrix, type Numbers, numbers } from './matrix.ts';

/** Bytes of logits that are held at one time, with a part of the weight where it goes through in parts. */
const MOST_LOGITS = 64 << 20;

/**
 * A weight whose packed copies are larger than this is packed part by part for every block of rows:
 * some hundredth of a training step, for a scratch that does not grow with the model.
 */
const MOST_WHOLE = 40 << 20;
const MOST_PART = 16 << 20;

/** What the softmax leaves in the memory of the logits: `CrossEntropy::Gradient` in cpp/kernels/cross-entropy.h. */
const gradientForms = { none: 0, f32: 1, bf16: 2 } as const;

/** Where the pieces of one call lie, and what they have in common. */
interface Work {
  readonly encoder: Encoder;
  /** Arithmetic of products with the weight, and of those with the input. */
  readonly unit: Numbers;
  readonly inputUnit: Numbers;
  readonly vocabulary: number;
  readonly width: number;
  /** Floats from row to row of the logits. */
  readonly stride: number;
  /** Whether the weight is packed as a whole, once for all blocks. */
  readonly whole: boolean;
  /** [V, D] across, for logits. */
  readonly forward: Packed;
  /** [V, D] along, for dx. */
  readonly backward: Packed;
  /** Rows of a block along, for dw. */
  readonly inputs: Place;
  /** The same rows in strips, for logits; nowhere where products take them as they lie. */
  readonly strips: Place | undefined;
  readonly logits: Place;
}

/** The weight as the right factor of a product, packed as a whole or a part of its columns at a time. */
interface Packed {
  readonly source: Matrix & { readonly as: 'across' | 'along' };
  readonly place: Place;
  readonly columns: number;
  readonly k: number;
  /** Columns of a part. */
  readonly part: number;
}

/**
 * Linear + cross entropy. Rows go through in blocks whose logits fit a bounded scratch; there they
 * become losses, then softmax − onehot in place (as bf16 where products would round it to that
 * anyway), from which dx (a sum over the vocabulary) and dw (a chain over the tokens, block after
 * block) come. Factors that several chunks read are packed once, those that blocks share too where
 * they are small.
 */
export function crossEntropyKernels(encoder: Encoder): Pick<Kernels, 'linearCrossEntropy'> {
  return {
    linearCrossEntropy(losses, x, w, targets, grads, weights) {
      const [T, D, V] = [x.rows, x.columns, w.rows];
      const [unit, inputUnit] = [arithmetic(x, w), numbers(x)];
      const whole = packedBytes(encoder, unit, V, D) <= MOST_WHOLE;
      const block = rowsOfBlock(T, MOST_LOGITS - (whole ? 0 : MOST_PART), V, encoder.rowChunk);
      // Not a power of two from row to row, which would put a column of the tile into one set of the cache.
      const stride = Math.ceil(V / 16) * 16 + 16;
      const [across, along] = whole ? [V, D] : [partOf(encoder, unit, V, D), partOf(encoder, unit, D, V)];
      // Parts take turns in one place; whole factors have one each.
      const [first, second] = [packedBytes(encoder, unit, across, D), packedBytes(encoder, unit, along, V)];
      const inStrips = !takesTiles(encoder, unit);
      const [forward, after, inputs, strips, logits] = encoder.scratch.begin(
        encoder.list,
        whole || !grads ? first : Math.max(first, second),
        whole && grads ? second : 0,
        grads?.dw ? packedBytes(encoder, inputUnit, D, block) : 0,
        inStrips ? stripsBytes(encoder, unit, block, D) : 0,
        block * stride * 4,
      ) as [Place, Place, Place, Place, Place];
      const work: Work = {
        encoder,
        unit,
        inputUnit,
        vocabulary: V,
        width: D,
        stride,
        whole,
        forward: { source: { ...matrix(w), as: 'across' }, place: forward, columns: V, k: D, part: across },
        backward: {
          source: { ...matrix(w), as: 'along' },
          place: whole ? after : forward,
          columns: D,
          k: V,
          part: along,
        },
        inputs,
        strips: inStrips ? strips : undefined,
        logits,
      };
      if (whole) packPart(work, work.forward, 0);
      if (whole && grads) packPart(work, work.backward, 0);
      for (let start = 0; start < T; start += block) {
        const rows = Math.min(block, T - start);
        const input = rowsOf(matrix(x), start);
        score(work, input, rows);
        const lists = [plain(losses), integers(targets), weights && plain(weights)].map(
          (list) => list && at(list, start),
        ) as [Place, Place, Place | undefined];
        softmax(work, lists, rows, grads !== undefined);
        if (grads) propagate(work, rowsOf(matrix(grads.dx), start), grads.dw, input, rows);
      }
    },
  };
}

/** logits = x·wᵀ */
function score(work: Work, x: Matrix, rows: number): void {
  const { encoder, strips, unit, width, logits, stride } = work;
  const lying = { ...x, as: 'byRows' } as const;
  if (strips) packStrips(encoder, strips, lying, unit, rows, width);
  const a = strips ? ({ place: strips, stride: 0, as: 'inStrips' } as const) : lying;
  productByParts(work, { place: logits, stride }, a, work.forward, rows);
}

/** c = a·b, part by part of the columns; the bits are those of one product. */
function productByParts(work: Work, c: Matrix, a: Product['a'], b: Packed, rows: number): void {
  for (let first = 0; first < b.columns; first += b.part) {
    if (!work.whole) packPart(work, b, first);
    product(work.encoder, {
      c: fromColumn(c, first),
      a,
      b: { place: b.place, stride: 0, as: 'packed' },
      rows,
      columns: Math.min(b.part, b.columns - first),
      k: b.k,
      unit: work.unit,
    });
  }
}

/** Packs the part that begins at this column: a row of a source across, a column of one along. */
function packPart({ encoder, unit }: Work, { source, place, columns, k, part }: Packed, first: number): void {
  const from = source.as === 'across' ? rowsOf(source, first) : fromColumn(source, first);
  pack(encoder, place, { ...from, as: source.as }, unit, Math.min(part, columns - first), k);
}

/** losses, and logits ← weight · (softmax − onehot) */
function softmax(
  work: Work,
  [losses, targets, weights]: readonly [Place, Place, Place | undefined],
  rows: number,
  gradient: boolean,
): void {
  const { list } = work.encoder;
  commands.crossEntropy(list, {
    losses,
    x: work.logits,
    targets,
    weights,
    rows,
    columns: work.vocabulary,
    stride: work.stride,
    gradient: gradientForms[gradient ? gradientType(work) : 'none'],
  });
}

/** dx = p·w,  dw += pᵀ·x                                                    p = softmax − onehot */
function propagate(work: Work, dx: Matrix, dw: Tensor | undefined, x: Matrix, rows: number): void {
  const { encoder, inputUnit, vocabulary, width, logits } = work;
  const dtype = gradientType(work);
  const p: Matrix = { place: logits, stride: dtype === 'bf16' ? 2 * work.stride : work.stride, dtype };
  productByParts(work, dx, { ...p, as: 'byRows' }, work.backward, rows);
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

/** Where both products would round it to bf16 it is. */
function gradientType({ unit, inputUnit }: Work): 'f32' | 'bf16' {
  return unit === 'bf16' && inputUnit === 'bf16' ? 'bf16' : 'f32';
}

/** Whole chunks of rows, as many as the bound allows; blocks do not change any bit. */
function rowsOfBlock(rows: number, bytes: number, vocabulary: number, rowChunk: number): number {
  const fit = Math.floor(bytes / 4 / vocabulary / rowChunk) * rowChunk;
  return Math.max(1, Math.min(rows, Math.max(rowChunk, fit)));
}

/** Columns of a factor of depth k in parts of one size that fit the bound: whole panels. */
function partOf(encoder: Encoder, unit: Numbers, columns: number, k: number): number {
  const panels = Math.ceil(columns / encoder.panel);
  const fit = Math.max(1, Math.floor(MOST_PART / packedBytes(encoder, unit, encoder.panel, k)));
  return encoder.panel * Math.ceil(panels / Math.ceil(panels / fit));
}

/** A matrix from row `first` on. */
function rowsOf(matrix: Matrix, first: number): Matrix {
  return elementsOn(matrix, first * matrix.stride);
}

function at({ storage, offset }: Place, elements: number): Place {
  return { storage, offset: offset + 4 * elements };
}
