import { fail, type Kernels } from '@cria/tensor';
import { computeCode, dtypeCodes, type Encoder, f32 } from './encoder.ts';
import * as commands from './generated/commands.ts';
import type { Place } from './generated/commands.ts';

/** Elements that one partial sum of squares covers: `SumSquares::PIECE` in cpp/kernels/optimizer.h. */
const SQUARES_PIECE = 1 << 16;

export function optimizerKernels(encoder: Encoder): Pick<Kernels, 'sumSquares' | 'adamw'> {
  return {
    sumSquares(out, x) {
      const { list } = encoder;
      const count = Math.ceil(x.size / SQUARES_PIECE);
      const [partials] = encoder.scratch.begin(list, count * 8) as [Place];
      commands.sumSquares(list, { partials, x, elements: x.size }, computeCode(x));
      commands.sumPartials(list, { y: f32(out), partials, count });
    },
    adamw(value, gradient, firstMoment, secondMoment, settings, copy) {
      const { learningRate, beta1, beta2, epsilon, weightDecay, gradientScale, step } = settings;
      const copyType = dtypeCodes[copy?.dtype ?? 'f32'];
      if (copyType === undefined)
        fail('adamw', `the copy cannot be ${copy!.dtype} here.`, 'f32, bf16 or f16');
      commands.adamw(encoder.list, {
        value: f32(value),
        gradient: f32(gradient),
        m: f32(firstMoment),
        v: f32(secondMoment),
        copy,
        elements: value.size,
        copyType,
        scale: gradientScale,
        beta1,
        beta2,
        decay: 1 - learningRate * weightDecay,
        rate: learningRate / (1 - beta1 ** step),
        root: Math.sqrt(1 - beta2 ** step),
        epsilon,
      });
    },
  };
}
