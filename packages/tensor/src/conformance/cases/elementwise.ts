import { type DType, dtypes } from '../../dtype.ts';
import type { Case, CaseOptions } from '../case.ts';

const SIZES = [1, 3, 63, 64, 65, 100, 4097] as const;

/** Rows and columns. */
const BIASED = [
  [1, 1],
  [3, 17],
  [65, 64],
  [130, 33],
  [2, 4097],
] as const;

export function elementwiseCases({ weights }: CaseOptions): Case[] {
  const floats = weights.filter((dtype) => dtypes[dtype].blockSize === 1);
  return [...plainCases(), ...biasCases(), ...floats.map(storedBiasCase)];
}

function biasCases(): Case[] {
  return BIASED.flatMap(([T, N]): Case[] => [
    {
      kernel: 'addBias',
      name: `T ${T}, N ${N}`,
      run(b) {
        const y = b.changing('normal', [T, N]);
        b.kernels.addBias(y, b.normal([N]));
        return { y };
      },
    },
    {
      kernel: 'biasGrad',
      name: `T ${T}, N ${N}`,
      run(b) {
        const dbias = b.changing('normal', [N], 'wide');
        b.kernels.biasGrad(dbias, b.normal([T, N]));
        return { dbias };
      },
    },
  ]);
}

/** A bias in another type than the activations. */
function storedBiasCase(dtype: DType): Case {
  return {
    kernel: 'addBias',
    name: `bias ${dtype}`,
    run(b) {
      const y = b.changing('normal', [5, 65]);
      b.kernels.addBias(y, b.weight([1, 65], dtype).reshape(65));
      return { y };
    },
  };
}

function plainCases(): Case[] {
  return SIZES.flatMap((n): Case[] => [
    {
      kernel: 'add',
      name: `${n}`,
      exact: true,
      run(b) {
        const [a, c, y] = [b.whole([n], 60), b.whole([n], 60), b.output([n])];
        b.kernels.add(y, a, c);
        return { y };
      },
    },
    {
      kernel: 'add',
      name: `${n}, in place: y = y + b, then y = a + y, then y = y + y`,
      run(b) {
        const y = b.changing('normal', [n]);
        b.kernels.add(y, y, b.normal([n]));
        b.kernels.add(y, b.normal([n]), y);
        b.kernels.add(y, y, y);
        return { y };
      },
    },
    {
      kernel: 'cast',
      name: `${n}, to f32 and back`,
      exact: true,
      run(b) {
        const [x, wide, y] = [b.normal([n]), b.wideOutput([n]), b.output([n])];
        b.kernels.cast(wide, x);
        b.kernels.cast(y, wide);
        return { wide, y };
      },
    },
    {
      kernel: 'cast',
      name: `${n}, rounding f32`,
      exact: true,
      run(b) {
        // Ties at every bit that a half drops, and numbers beside them.
        const values = Float64Array.from(
          { length: n },
          (_, i) => (1 + (i % 64) / 256 + ((i % 3) - 1) * 2 ** -20) * (i & 1 ? -1 : 1),
        );
        const [x, y] = [b.wide(values, [n]), b.output([n])];
        b.kernels.cast(y, x);
        return { y };
      },
    },
    {
      kernel: 'fill',
      name: `${n}`,
      exact: true,
      run(b) {
        const y = b.output([n]);
        b.kernels.fill(y, -1.5);
        return { y };
      },
    },
  ]);
}
