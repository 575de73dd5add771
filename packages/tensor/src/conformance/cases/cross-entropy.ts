import { IGNORE_TARGET } from '../../kernels.ts';
import { type DType, dtypes } from '../../dtype.ts';
import type { Bench } from '../bench.ts';
import type { Case, CaseOptions } from '../case.ts';

const SIZES = [
  [1, 1, 2],
  [3, 17, 5],
  [17, 64, 100],
  [65, 63, 257],
  [130, 32, 1031],
] as const;

export function crossEntropyCases({ weights }: CaseOptions): Case[] {
  return [
    ...weights.filter((dtype) => dtypes[dtype].blockSize > 1).flatMap(quantisedCases),
    ...SIZES.flatMap(([T, D, V]): Case[] => {
      const name = `T ${T}, D ${D}, V ${V}`;
      return [
        lossCase(name, T, D, V),
        gradCase(name, T, D, V, true),
        gradCase(name, T, D, V, false),
        weightCase(name, T, D, V),
      ];
    }),
    {
      kernel: 'linearCrossEntropy',
      name: 'logits of thousands',
      run(b) {
        const x = b.float([1000, 1, -2000, 3, 0, 0.5], [3, 2]);
        const w = b.float([1, 0, -1, 0, 0, 1, 2, 2], [4, 2]);
        const losses = b.wideOutput([3]);
        b.kernels.linearCrossEntropy(losses, x, w, b.integers([0, 2, 3]));
        return { losses };
      },
    },
  ];
}

/** Every seventh row counts nothing. */
export function targetsOf(b: Bench, T: number, V: number) {
  return b.integers(Int32Array.from({ length: T }, (_, t) => (t % 7 === 5 ? IGNORE_TARGET : (t * 31) % V)));
}

/**
 * An output of blocks, as it is stored and packed: the loss is that of its numbers, whatever
 * `linear` does for speed.
 */
function quantisedCases(dtype: DType): Case[] {
  return [false, true].map((packed) => ({
    kernel: 'linearCrossEntropy',
    name: `weight ${dtype}${packed ? ', packed' : ''}`,
    run(b) {
      const [T, D, V] = [67, 512, 77];
      const [x, plain, losses, dx] = [
        b.normal([T, D]),
        b.weight([V, D], dtype),
        b.wideOutput([T]),
        b.output([T, D]),
      ];
      const w = packed ? b.device.pack(plain) : plain;
      b.kernels.linearCrossEntropy(losses, x, w, targetsOf(b, T, V), { dx, dw: undefined });
      if (packed) b.device.free(w.storage);
      return { lossesOfBlocks: losses, dxOfBlocks: dx };
    },
  }));
}

function lossCase(name: string, T: number, D: number, V: number): Case {
  return {
    kernel: 'linearCrossEntropy',
    name,
    run(b) {
      const [x, w, losses] = [b.normal([T, D]), b.normal([V, D], 2 * D ** -0.5), b.wideOutput([T])];
      b.kernels.linearCrossEntropy(losses, x, w, targetsOf(b, T, V));
      return { losses };
    },
  };
}

function gradCase(name: string, T: number, D: number, V: number, wanted: boolean): Case {
  return {
    kernel: 'linearCrossEntropy',
    name: `${name}, gradients${wanted ? '' : ', no dw'}`,
    run(b) {
      const [x, w, losses] = [b.normal([T, D]), b.normal([V, D], 2 * D ** -0.5), b.wideOutput([T])];
      const [dx, dw] = [b.output([T, D]), wanted ? b.changing('normal', [V, D], 'wide') : undefined];
      b.kernels.linearCrossEntropy(losses, x, w, targetsOf(b, T, V), { dx, dw });
      return dw ? { losses, dx, dw } : { losses, dx };
    },
  };
}

/** Weights of every kind: 0, 1, below 0 and above 1. */
function weightCase(name: string, T: number, D: number, V: number): Case {
  return {
    kernel: 'linearCrossEntropy',
    name: `${name}, gradients, weights of rows`,
    run(b) {
      const [x, w, losses] = [b.normal([T, D]), b.normal([V, D], 2 * D ** -0.5), b.wideOutput([T])];
      const [dx, dw] = [b.output([T, D]), b.changing('normal', [V, D], 'wide')];
      const weights = b.wide(
        Array.from({ length: T }, (_, t) => [0.25, 1, 0, -0.5, 1.75][t % 5]),
        [T],
      );
      b.kernels.linearCrossEntropy(losses, x, w, targetsOf(b, T, V), { dx, dw }, weights);
      return { losses, dx, dw };
    },
  };
}
