import type { Case } from '../case.ts';

const SIZES = [1, 3, 63, 65, 4096, 5000] as const;
const SETTINGS = {
  learningRate: 0.01,
  beta1: 0.9,
  beta2: 0.95,
  epsilon: 1e-8,
  weightDecay: 0.1,
  gradientScale: 0.25,
  step: 3,
};

export function optimizerCases(): Case[] {
  return SIZES.flatMap((n): Case[] => [
    {
      kernel: 'sumSquares',
      name: `${n}`,
      run(b) {
        const out = b.wideOutput([1]);
        b.kernels.sumSquares(out, b.normal([n]));
        return { out };
      },
    },
    ...[false, true].flatMap((withCopy) =>
      [1, 3].map((step): Case => ({
        kernel: 'adamw',
        name: `${n}, step ${step}${withCopy ? ', copy' : ''}`,
        run(b) {
          const value = b.changing('normal', [n], 'wide');
          const gradient = b.wideNormal([n]);
          const firstMoment = b.changing(new Float64Array(n).fill(0.125), [n], 'wide');
          const secondMoment = b.changing(new Float64Array(n).fill(0.5), [n], 'wide');
          const copy = withCopy ? b.output([n]) : undefined;
          b.kernels.adamw(value, gradient, firstMoment, secondMoment, { ...SETTINGS, step }, copy);
          return copy ? { value, firstMoment, secondMoment, copy } : { value, firstMoment, secondMoment };
        },
      })),
    ),
  ]);
}
