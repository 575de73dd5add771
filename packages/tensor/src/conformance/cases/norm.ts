import type { Case } from '../case.ts';

const SIZES = [
  [1, 1],
  [3, 17],
  [17, 64],
  [65, 63],
  [130, 100],
  [5, 515],
] as const;
const EPS = 1e-5;

export function normCases(): Case[] {
  return [
    ...SIZES.flatMap(([T, D]): Case[] => [
      {
        kernel: 'rmsNorm',
        name: `T ${T}, D ${D}`,
        run(b) {
          const [x, gain, y, rstd] = [b.normal([T, D]), b.normal([D]), b.output([T, D]), b.wideOutput([T])];
          b.kernels.rmsNorm(y, rstd, x, gain, { eps: EPS });
          return { y, rstd };
        },
      },
      {
        kernel: 'rmsNorm',
        name: `T ${T}, D ${D}, no rstd`,
        run(b) {
          const [x, gain, y] = [b.normal([T, D], 30), b.normal([D]), b.output([T, D])];
          b.kernels.rmsNorm(y, undefined, x, gain, { eps: EPS });
          return { y };
        },
      },
      ...[true, false].flatMap((accumulate) =>
        [true, false].map((wanted) => gradCase(T, D, accumulate, wanted)),
      ),
    ]),
    {
      kernel: 'rmsNorm',
      name: 'zeros and small numbers: eps decides',
      run(b) {
        const x = b.float(
          Float64Array.from({ length: 12 }, (_, i) => (i < 4 ? 0 : i < 8 ? 1e-4 : 2e-3)),
          [3, 4],
        );
        const [y, rstd] = [b.output([3, 4]), b.wideOutput([3])];
        b.kernels.rmsNorm(y, rstd, x, b.normal([4]), { eps: EPS });
        return { y, rstd };
      },
    },
  ];
}

function gradCase(T: number, D: number, accumulate: boolean, wanted: boolean): Case {
  return {
    kernel: 'rmsNormGrad',
    name: `T ${T}, D ${D}${accumulate ? ', accumulate' : ''}${wanted ? '' : ', no dgain'}`,
    run(b) {
      const [x, gain, dy] = [b.normal([T, D]), b.normal([D]), b.normal([T, D])];
      const [y, rstd] = [b.output([T, D]), b.wideOutput([T])];
      const dx = accumulate ? b.changing('normal', [T, D]) : b.output([T, D]);
      const dgain = wanted ? b.changing('normal', [D], 'wide') : undefined;
      b.kernels.rmsNorm(y, rstd, x, gain, { eps: EPS });
      b.kernels.rmsNormGrad(dx, dgain, dy, x, gain, rstd, { accumulate });
      return dgain ? { dx, dgain } : { dx };
    },
  };
}
