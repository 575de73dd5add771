import {
  accumulatorDType,
  fail,
  type Parameter,
  type ParameterPart,
  type Step,
  type Tensor,
} from '@cria/tensor';
import { Embedding, type EmbeddingLayer, type EmbeddingOptions, vocabularyPart } from './embedding.ts';
import { Linear } from './linear.ts';
import type { LinearLayer, LinearOptions } from './linear-layer.ts';

/*
 * Vocabulary-parallel ends of a model (Shoeybi et al. 2019): each of R ranks has some rows of the
 * embedding and of the output matrix. What ranks must know of each other is a sum of the embedded
 * rows, three numbers a row of the softmax, and a sum of the gradients of the hidden states.
 */

/**
 * What the ranks that share a vocabulary do together, encoded in the order of commands; all of them
 * encode the same.
 */
export interface VocabularyRanks {
  /** This rank's number, from 0. */
  readonly rank: number;
  readonly size: number;
  /** x = Σ over ranks of x, added in the order of ranks. */
  allReduce(x: Tensor, step: Step): void;
  /** out[r] = x of rank r.                                                 x: […]   out: [R, …] */
  allGather(out: Tensor, x: Tensor, step: Step): void;
}

/** The rows of a vocabulary that a rank has: as even as whole rows are, in the order of ranks. */
export function vocabularyShard(
  [V, D]: readonly [vocabSize: number, dim: number],
  { rank, size }: Pick<VocabularyRanks, 'rank' | 'size'>,
): { readonly rows: number; readonly shard: ParameterPart } {
  if (size > V) fail('vocabulary', `${size} ranks for a vocabulary of ${V}.`, 'each has one row at least');
  const [first, end] = [Math.floor((rank * V) / size), Math.floor(((rank + 1) * V) / size)];
  return { rows: end - first, shard: { of: [V, D], begin: [first, 0] } };
}

/**
 * y[t] = table[tokens[t]], of a table whose rows the ranks share
 *     tokens: i32 [T], of the whole vocabulary   y: [T, D]
 */
export class VocabularyEmbedding implements EmbeddingLayer {
  readonly #own: Embedding;
  readonly #ranks: VocabularyRanks;

  /** `options` are those of the whole table. */
  constructor(options: EmbeddingOptions, ranks: VocabularyRanks) {
    const { rows, shard } = vocabularyShard([options.vocabSize, options.dim], ranks);
    this.#own = new Embedding({ ...options, vocabSize: rows, shard });
    this.#ranks = ranks;
  }

  get weight(): Parameter {
    return this.#own.weight;
  }

  forward(tokens: Tensor, step: Step): Tensor {
    const y = this.#own.forward(tokens, step);
    this.#ranks.allReduce(y, step);
    return y;
  }

  backward(dy: Tensor, step: Step): void {
    this.#own.backward(dy, step);
  }
}

/** The output layer and its loss, of a weight [V, D] whose rows the ranks share. */
export class VocabularyOutput implements LinearLayer {
  readonly #own: Linear;
  readonly #ranks: VocabularyRanks;

  /** `options` are those of the whole layer; a weight that is given (tied embeddings) is this rank's part already. */
  constructor(options: LinearOptions, ranks: VocabularyRanks) {
    const { inFeatures, outFeatures, weight, bias } = options;
    if (bias) fail('vocabulary', 'the output layer has a bias, which is not cut among ranks.');
    const { rows, shard } = vocabularyShard([outFeatures, inFeatures], ranks);
    if (weight && weight.part?.begin[0] !== shard.begin[0])
      fail(
        'vocabulary',
        `${weight.name} is not the part of rank ${ranks.rank}.`,
        'make it a VocabularyEmbedding',
      );
    this.#own = new Linear({ ...options, outFeatures: rows, shard });
    this.#ranks = ranks;
  }

  get weight(): Parameter {
    return this.#own.weight;
  }

  /** Logits of the whole vocabulary, on every rank                         x: [T, D]   y: [T, V] */
  forward(x: Tensor, step: Step): Tensor {
    const { first, of } = vocabularyPart(this.weight)!; // it was made with one
    const part = step.unsaved(() => this.#own.forward(x, step));
    const { kernels } = step.device;
    const y = step.empty([x.rows, of]);
    kernels.fill(y, 0);
    const [from, to] = [part.reshape(part.size), y.reshape(y.size)];
    for (let t = 0; t < x.rows; t++) {
      const begin = t * of + first;
      kernels.cast(
        to.slice(begin, begin + part.columns),
        from.slice(t * part.columns, (t + 1) * part.columns),
      );
    }
    step.release(part);
    this.#ranks.allReduce(y, step);
    return y;
  }

  backward(): never {
    return fail('vocabulary', 'logits of a shared vocabulary have no backward.', 'use crossEntropy()');
  }

  /** Two passes over the logits: the ranks must know of all parts before any gradient is one. */
  crossEntropy(x: Tensor, targets: Tensor, step: Step, weights?: Tensor): Tensor {
    const { weight } = this;
    const part = vocabularyPart(weight)!; // it was made with one
    const { kernels } = step.device;
    const wide = accumulatorDType(step.dtype);
    const [own, shares] = [step.empty([x.rows, 3], wide), step.empty([this.#ranks.size, x.rows, 3], wide)];
    kernels.linearSoftmaxShare(own, x, weight.value, targets, part);
    this.#ranks.allGather(shares, own, step);
    const losses = step.empty([x.rows], wide);
    const dx = step.training ? step.empty(x.shape) : undefined;
    const dw = step.training && weight.trainable ? step.gradient(weight) : undefined;
    const grads = dx && { dx, dw };
    kernels.linearCrossEntropyShare(losses, shares, x, weight.value, targets, part, grads, weights);
    step.release(own, shares);
    if (!dx) return losses;
    this.#ranks.allReduce(dx, step);
    step.save(dx);
    step.release(dx);
    return losses;
  }

  pack(): void {
    this.#own.pack();
  }

  free(): void {
    this.#own.free();
  }
}
