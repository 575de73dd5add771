import type { Kernels } from '@cria/tensor';
import type { Place } from './command-list.ts';
import { type Encoder, integers } from './encoder.ts';
import { type Matrix, matrix, numbers, pack, packedBytes, plain, product } from './linear.ts';

/** Logits that are held at one time: 64 MiB. */
const MOST_LOGITS = 1 << 24;

/**
 * Linear + cross entropy. Rows go through in blocks whose logits fit a bounded scratch; there they become losses, then softmax − onehot in
 * place, from which dx (a sum over the vocabulary) and dw (a chain over the tokens, block after block) come.
 */
export function crossEntropyKernels(encoder: Encoder): Pick<Kernels, 'linearCrossEntropy'> {
  return {
    linearCrossEntropy(losses, x, w, targets, grads) {
      const { list } = encoder;
      const [T, D, V] = [x.rows, x.columns, w.rows];
      const block = rowsOfBlock(T, V, encoder.rowChunk);
      // Not a power of two from row to row, which would put a column of the tile into one set of the cache.
      const stride = Math.ceil(V / 16) * 16 + 16;
      const unit = numbers(w);
      const [input, weight] = [matrix(x), matrix(w)];
      const [panels, logits] = encoder.scratch.begin(
        list,
        packedBytes(encoder, unit, V, D),
        block * stride * 4,
      ) as [Place, Place];
      pack(encoder, panels, { ...weight, as: 'across' }, unit, V, D);
      for (let start = 0; start < T; start += block) {
        const rows = Math.min(block, T - start);
        const inputs = rowsOf(input, start);
        const scores = { place: logits, stride };
        product(encoder, {
          c: scores,
          a: { ...inputs, as: 'byRows' },
          b: { place: panels, stride: 0, as: 'packed' },
          rows,
          columns: V,
          k: D,
          unit,
        });
        list
          .begin('crossEntropy')
          .place(at(plain(losses), start))
          .place(logits)
          .place(at(integers(targets), start));
        list
          .number(rows)
          .number(V)
          .number(stride)
          .flag(grads !== undefined)
          .end();
        if (!grads) continue;
        product(encoder, {
          c: rowsOf(matrix(grads.dx), start),
          a: { ...scores, as: 'byRows' },
          b: { ...weight, as: 'along' },
          rows,
          columns: D,
          k: V,
          unit,
        });
        if (!grads.dw) continue;
        product(encoder, {
          c: { place: plain(grads.dw), stride: D },
          a: { ...scores, as: 'byColumns' },
          b: { ...inputs, as: 'along' },
          rows: V,
          columns: D,
          k: rows,
          accumulate: true,
          unit: numbers(x),
        });
      }
    },
  };
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
