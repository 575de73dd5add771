import type { Kernels, Tensor } from '@cria/tensor';
import type { Place } from './command-list.ts';
import { type Encoder, integers } from './encoder.ts';
import { type Matrix, matrix, type Numbers, numbers, pack, packedBytes, plain, product } from './linear.ts';

/** Logits that are held at one time: 64 MiB. */
const MOST_LOGITS = 1 << 24;

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
  /** [V, D] across, for logits. */
  readonly forward: Place;
  /** [V, D] along, for dx. */
  readonly backward: Place;
  /** Rows of a block along, for dw. */
  readonly inputs: Place;
  readonly logits: Place;
}

/**
 * Linear + cross entropy. Rows go through in blocks whose logits fit a bounded scratch; there they become losses, then softmax − onehot in
 * place (as bf16 where products would round it to that anyway), from which dx (a sum over the vocabulary) and dw (a chain over the
 * tokens, block after block) come. Each factor that several blocks or chunks read is packed once.
 */
export function crossEntropyKernels(encoder: Encoder): Pick<Kernels, 'linearCrossEntropy'> {
  return {
    linearCrossEntropy(losses, x, w, targets, grads) {
      const [T, D, V] = [x.rows, x.columns, w.rows];
      const block = rowsOfBlock(T, V, encoder.rowChunk);
      const [unit, inputUnit] = [numbers(w), numbers(x)];
      // Not a power of two from row to row, which would put a column of the tile into one set of the cache.
      const stride = Math.ceil(V / 16) * 16 + 16;
      const [forward, backward, inputs, logits] = encoder.scratch.begin(
        encoder.list,
        packedBytes(encoder, unit, V, D),
        grads ? packedBytes(encoder, unit, D, V) : 0,
        grads?.dw ? packedBytes(encoder, inputUnit, D, block) : 0,
        block * stride * 4,
      ) as [Place, Place, Place, Place];
      const work = {
        encoder,
        unit,
        inputUnit,
        vocabulary: V,
        width: D,
        stride,
        forward,
        backward,
        inputs,
        logits,
      };
      pack(encoder, forward, { ...matrix(w), as: 'across' }, unit, V, D);
      if (grads) pack(encoder, backward, { ...matrix(w), as: 'along' }, unit, D, V);
      for (let start = 0; start < T; start += block) {
        const rows = Math.min(block, T - start);
        const input = rowsOf(matrix(x), start);
        score(work, input, rows);
        softmax(work, at(plain(losses), start), at(integers(targets), start), rows, grads !== undefined);
        if (grads) propagate(work, rowsOf(matrix(grads.dx), start), grads.dw, input, rows);
      }
    },
  };
}

/** logits = x·wᵀ */
function score(work: Work, x: Matrix, rows: number): void {
  product(work.encoder, {
    c: { place: work.logits, stride: work.stride },
    a: { ...x, as: 'byRows' },
    b: { place: work.forward, stride: 0, as: 'packed' },
    rows,
    columns: work.vocabulary,
    k: work.width,
    unit: work.unit,
  });
}

/** losses, and logits ← softmax − onehot */
function softmax(work: Work, losses: Place, targets: Place, rows: number, gradient: boolean): void {
  const { list } = work.encoder;
  list.begin('crossEntropy').place(losses).place(work.logits).place(targets);
  list.number(rows).number(work.vocabulary).number(work.stride);
  list.number(gradientForms[gradient ? gradientType(work) : 'none']).end();
}

/** dx = p·w,  dw += pᵀ·x                                                    p = softmax − onehot */
function propagate(work: Work, dx: Matrix, dw: Tensor | undefined, x: Matrix, rows: number): void {
  const { encoder, unit, inputUnit, vocabulary, width, logits } = work;
  const dtype = gradientType(work);
  const p: Matrix = { place: logits, stride: dtype === 'bf16' ? 2 * work.stride : work.stride, dtype };
  product(encoder, {
    c: dx,
    a: { ...p, as: 'byRows' },
    b: { place: work.backward, stride: 0, as: 'packed' },
    rows,
    columns: width,
    k: vocabulary,
    unit,
  });
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
function rowsOfBlock(rows: number, vocabulary: number, rowChunk: number): number {
  const fit = Math.floor(MOST_LOGITS / vocabulary / rowChunk) * rowChunk;
  return Math.max(1, Math.min(rows, Math.max(rowChunk, fit)));
}

/** A matrix from row `first` on. */
function rowsOf(matrix: Matrix, first: number): Matrix {
  const bytes = matrix.dtype === 'f32' ? 4 : 2;
  const { storage, offset } = matrix.place;
  return { ...matrix, place: { storage, offset: offset + bytes * first * matrix.stride } };
}

function at({ storage, offset }: Place, elements: number): Place {
  return { storage, offset: offset + 4 * elements };
}
