import { type ComputeDType, type DType, dtypes } from '../../dtype.ts';
import type { Tensor } from '../../tensor.ts';
import type { Case, CaseOptions } from '../case.ts';

/** T, C, N: around every multiple that a tile may have. */
const SIZES = [
  [1, 1, 1],
  [1, 17, 3],
  [3, 63, 65],
  [17, 64, 100],
  [63, 65, 17],
  [64, 128, 64],
  [65, 100, 63],
  [130, 96, 48],
  [2, 515, 31],
] as const;
const BLOCK_SIZES = [
  [1, 256, 3],
  [3, 512, 17],
  [17, 256, 33],
  [65, 768, 64],
] as const;

export function linearCases({ weights }: CaseOptions): Case[] {
  return [
    ...SIZES.flatMap(([T, C, N]) => sizeCases(T, C, N)),
    ...weights.flatMap((dtype) => {
      const sizes = dtypes[dtype].blockSize > 1 ? BLOCK_SIZES : SIZES;
      return sizes.map(([T, C, N]): Case => ({
        kernel: 'linear',
        name: `T ${T}, C ${C}, N ${N}, weight ${dtype}`,
        run(b) {
          const [x, w, y] = [b.normal([T, C]), b.weight([N, C], dtype), b.output([T, N])];
          b.kernels.linear(y, x, w);
          return outputOf(dtype, b.dtype, y);
        },
      }));
    }),
    ...weights.flatMap((dtype) =>
      (dtypes[dtype].blockSize > 1 ? BLOCK_SIZES : SIZES).map(([T, C, N]): Case =>
        gradInputCase(T, C, N, dtype),
      ),
    ),
  ];
}

/** Nothing is rounded to 8 bits here: the weight becomes numbers, at worst those of the compute dtype. */
function gradInputCase(T: number, C: number, N: number, dtype: DType): Case {
  return {
    kernel: 'linearGradInput',
    name: `T ${T}, C ${C}, N ${N}, weight ${dtype}, accumulate`,
    run(b) {
      const [dy, w, dx] = [
        b.normal([T, N], N ** -0.5),
        b.weight([N, C], dtype),
        b.changing('normal', [T, C]),
      ];
      b.kernels.linearGradInput(dx, dy, w, { accumulate: true });
      return { halved: dx };
    },
  };
}

/**
 * Named by what a device may do first: nothing, round the wider factor to the other's halves, or
 * quantise the activations.
 */
export function outputOf(weight: DType, compute: ComputeDType, y: Tensor): Readonly<Record<string, Tensor>> {
  if (dtypes[weight].blockSize > 1) return { quantised: y };
  const wide = weight === 'f32' && (compute === 'f32' || compute === 'f64');
  return weight === compute || wide ? { y } : { halved: y };
}

function sizeCases(T: number, C: number, N: number): Case[] {
  const name = `T ${T}, C ${C}, N ${N}`;
  return [
    {
      kernel: 'linear',
      name,
      run(b) {
        const [x, w, y] = [b.normal([T, C]), b.normal([N, C], C ** -0.5), b.output([T, N])];
        b.kernels.linear(y, x, w);
        return { y };
      },
    },
    {
      kernel: 'linear',
      name: `${name}, whole numbers`,
      exact: true,
      run(b) {
        const [x, w, y] = [b.whole([T, C]), b.whole([N, C]), b.output([T, N])];
        b.kernels.linear(y, x, w);
        return { y };
      },
    },
    {
      kernel: 'linear',
      name: `${name}, residual`,
      run(b) {
        const [x, w, residual, y] = [
          b.normal([T, C]),
          b.normal([N, C], C ** -0.5),
          b.normal([T, N]),
          b.output([T, N]),
        ];
        b.kernels.linear(y, x, w, { residual });
        return { y };
      },
    },
    {
      kernel: 'linear',
      name: `${name}, residual in place`,
      run(b) {
        const [x, w, y] = [b.normal([T, C]), b.normal([N, C], C ** -0.5), b.changing('normal', [T, N])];
        b.kernels.linear(y, x, w, { residual: y });
        return { y };
      },
    },
    {
      kernel: 'linearGradInput',
      name,
      run(b) {
        const [dy, w, dx] = [b.normal([T, N]), b.normal([N, C], N ** -0.5), b.output([T, C])];
        b.kernels.linearGradInput(dx, dy, w);
        return { dx };
      },
    },
    {
      kernel: 'linearGradInput',
      name: `${name}, accumulate`,
      run(b) {
        const [dy, w, dx] = [b.normal([T, N]), b.normal([N, C], N ** -0.5), b.changing('normal', [T, C])];
        b.kernels.linearGradInput(dx, dy, w, { accumulate: true });
        return { dx };
      },
    },
    {
      kernel: 'linearGradInput',
      name: `${name}, whole numbers`,
      exact: true,
      run(b) {
        const [dy, w, dx] = [b.whole([T, N]), b.whole([N, C]), b.output([T, C])];
        b.kernels.linearGradInput(dx, dy, w, { accumulate: false });
        return { dx };
      },
    },
    {
      kernel: 'linearGradWeight',
      name,
      run(b) {
        const [dy, x, dw] = [b.normal([T, N]), b.normal([T, C]), b.changing('normal', [N, C], 'wide')];
        b.kernels.linearGradWeight(dw, dy, x);
        return { dw };
      },
    },
    {
      kernel: 'linearGradWeight',
      name: `${name}, whole numbers`,
      exact: true,
      run(b) {
        const [dy, x] = [b.whole([T, N]), b.whole([T, C])];
        const dw = b.changing(new Float64Array(N * C).fill(3), [N, C], 'wide');
        b.kernels.linearGradWeight(dw, dy, x);
        return { dw };
      },
    },
  ];
}
