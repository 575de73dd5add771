import { IGNORE_TARGET, type VocabularyPart } from '../../kernels.ts';
import type { Tensor } from '../../tensor.ts';
import type { Bench } from '../bench.ts';
import type { Case } from '../case.ts';

/** Rows, width, and the extents of the parts of a vocabulary. */
const SIZES: readonly (readonly [T: number, D: number, parts: readonly number[]])[] = [
  [1, 1, [1, 1]],
  [3, 17, [4, 1]],
  [17, 64, [100]],
  [65, 63, [129, 128]],
  [130, 32, [344, 344, 343]],
];

/** Cross entropy over a vocabulary in parts, as ranks compute it that have one each. */
export function vocabularyPartCases(): Case[] {
  return [
    ...SIZES.flatMap(([T, D, parts]): Case[] => {
      const name = `T ${T}, D ${D}, parts of ${parts.join(' + ')}`;
      return [
        shareCase(name, T, D, parts),
        lossCase(name, T, D, parts),
        ...(['dw', 'no dw', 'weights of rows'] as const).map((kind) => gradCase(name, T, D, parts, kind)),
      ];
    }),
    thousandsCase(),
  ];
}

/** One rank's part of the output weight, and where it begins. */
interface Rank {
  readonly rank: number;
  readonly w: Tensor;
  readonly part: VocabularyPart;
}

/** What the ranks have: the hidden states, their part of the weight each, the targets, and the shares of all. */
interface SharedVocabulary {
  readonly x: Tensor;
  readonly ranks: readonly Rank[];
  readonly targets: Tensor;
  readonly shares: Tensor;
}

function shareOut(
  b: Bench,
  x: Tensor,
  w: Tensor,
  targets: Tensor,
  parts: readonly number[],
): SharedVocabulary {
  const shares = b.wideOutput([parts.length, x.rows, 3]);
  let first = 0;
  const ranks = parts.map((rows, rank) => {
    const own = { rank, w: w.slice(first, first + rows), part: { first, of: w.rows } };
    b.kernels.linearSoftmaxShare(of(shares, own).reshape(x.rows, 3), x, own.w, targets, own.part);
    first += rows;
    return own;
  });
  return { x, ranks, targets, shares };
}

/** What a rank has of a tensor [R, …]. */
function of(tensor: Tensor, { rank }: Rank): Tensor {
  return tensor.slice(rank, rank + 1);
}

/** Every seventh row counts nothing, the others want ids of all parts. */
function randomVocabulary(b: Bench, T: number, D: number, parts: readonly number[]): SharedVocabulary {
  const V = parts.reduce((sum, rows) => sum + rows, 0);
  const ids = Int32Array.from({ length: T }, (_, t) => (t % 7 === 5 ? IGNORE_TARGET : (t * 31) % V));
  return shareOut(b, b.normal([T, D]), b.normal([V, D], 2 * D ** -0.5), b.integers(ids), parts);
}

function shareCase(name: string, T: number, D: number, parts: readonly number[]): Case {
  return {
    kernel: 'linearSoftmaxShare',
    name,
    run: (b) => ({ share: randomVocabulary(b, T, D, parts).shares }),
  };
}

/** Losses alone, as each rank has them. */
function lossCase(name: string, T: number, D: number, parts: readonly number[]): Case {
  return {
    kernel: 'linearCrossEntropyShare',
    name,
    run(b) {
      const { x, ranks, targets, shares } = randomVocabulary(b, T, D, parts);
      const losses = b.wideOutput([parts.length, T]);
      for (const own of ranks)
        b.kernels.linearCrossEntropyShare(of(losses, own).reshape(T), shares, x, own.w, targets, own.part);
      return { losses };
    },
  };
}

function gradCase(
  name: string,
  T: number,
  D: number,
  parts: readonly number[],
  kind: 'dw' | 'no dw' | 'weights of rows',
): Case {
  return {
    kernel: 'linearCrossEntropyShare',
    name: `${name}, gradients, ${kind}`,
    run(b) {
      const { x, ranks, targets, shares } = randomVocabulary(b, T, D, parts);
      const V = parts.reduce((sum, rows) => sum + rows, 0);
      const factors = Array.from({ length: T }, (_, t) => [0.25, 1, 0, -0.5, 1.75][t % 5]);
      const weights = kind === 'weights of rows' ? b.wide(factors, [T]) : undefined;
      const [losses, dx] = [b.wideOutput([parts.length, T]), b.output([parts.length, T, D])];
      const dw = kind === 'no dw' ? undefined : b.changing('normal', [V, D], 'wide');
      for (const own of ranks) {
        const { w, part } = own;
        const grads = { dx: of(dx, own).reshape(T, D), dw: dw?.slice(part.first, part.first + w.rows) };
        const loss = of(losses, own).reshape(T);
        b.kernels.linearCrossEntropyShare(loss, shares, x, w, targets, part, grads, weights);
      }
      return dw ? { losses, dx, dw } : { losses, dx };
    },
  };
}

/** Parts whose largest logits are thousands apart, so that all of a part is nothing beside another. */
function thousandsCase(): Case {
  return {
    kernel: 'linearCrossEntropyShare',
    name: 'logits of thousands',
    run(b) {
      const x = b.float([1000, 1, -2000, 3, 0, 0.5], [3, 2]);
      const w = b.float([1, 0, -1, 0, 0, 1, 2, 2], [4, 2]);
      const { ranks, targets, shares } = shareOut(b, x, w, b.integers([0, 2, 3]), [2, 2]);
      const [losses, dx] = [b.wideOutput([2, 3]), b.output([2, 3, 2])];
      for (const own of ranks) {
        const grads = { dx: of(dx, own).reshape(3, 2), dw: undefined };
        const loss = of(losses, own).reshape(3);
        b.kernels.linearCrossEntropyShare(loss, shares, x, own.w, targets, own.part, grads);
      }
      return { losses, dx };
    },
  };
}
