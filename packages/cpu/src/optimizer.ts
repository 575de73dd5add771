import { fail, type Kernels } from '@cria/tensor';
import { computeCode, dtypeCodes, type Encoder } from './encoder.ts';

/** Elements that one partial sum of squares covers: `SumSquares::PIECE` in cpp/kernels/optimizer.h. */
const SQUARES_PIECE = 1 << 16;

export function optimizerKernels(encoder: Encoder): Pick<Kernels, 'sumSquares' | 'adamw'> {
  return {
    sumSquares(out, x) {
      const { list } = encoder;
      const count = Math.ceil(x.size / SQUARES_PIECE);
      const [partials] = encoder.scratch.begin(list, count * 8);
      list.begin('sumSquares', computeCode(x)).place(partials!).place(x).number(x.size).end();
      list.begin('sumPartials').f32(out).place(partials!).number(count).end();
    },
    adamw(value, gradient, firstMoment, secondMoment, settings, copy) {
      const { list } = encoder;
      const { learningRate, beta1, beta2, epsilon, weightDecay, gradientScale, step } = settings;
      const code = dtypeCodes[copy?.dtype ?? 'f32'];
      if (code === undefined) fail('adamw', `the copy cannot be ${copy!.dtype} here.`, 'f32, bf16 or f16');
      list.begin('adamw').f32(value).f32(gradient).f32(firstMoment).f32(secondMoment);
      list
        .place(copy ?? { storage: 0, offset: 0 })
        .number(value.size)
        .number(code);
      list.number(gradientScale).number(beta1).number(beta2);
      list.number(1 - learningRate * weightDecay);
      list.number(learningRate / (1 - beta1 ** step));
      list.number(Math.sqrt(1 - beta2 ** step));
      list.number(epsilon).end();
    },
  };
}
