import type { CpuDevice } from '@cria/cpu';
import type { Tensor } from '@cria/tensor';
import { type Preset, random, type Works } from './work.ts';

/** The three forms, in f32 and bf16, of so many rows each. */
export function* products(device: CpuDevice, { D, F }: Preset, rows: readonly number[]): Works {
  const { kernels } = device;
  const shapes: [number, number][] = [
    [D, D],
    [F, D],
    [D, F],
  ];
  for (const dtype of ['f32', 'bf16'] as const) {
    for (const T of rows) {
      for (const [N, C] of shapes) {
        const numbers = (count: number, columns: number) =>
          inType(device, random(device, count, columns), dtype);
        const [x, w, y] = [numbers(T, C), numbers(N, C), numbers(T, N)];
        const dw = device.empty([N, C], 'f32');
        const target = device.isa === 'amx' && dtype === 'bf16' ? 0.42 : 0.82;
        const rest = { unit: 'GFLOP/s', work: 2 * T * N * C, target, limit: dtype } as const;
        const shape = `${dtype} ${T}x${N}x${C}`;
        const forms: [string, () => void][] = [
          ['linear', () => kernels.linear(y, x, w)],
          ['linearGradInput', () => kernels.linearGradInput(x, y, w)],
          ['linearGradWeight', () => kernels.linearGradWeight(dw, y, x)],
        ];
        for (const [form, encode] of forms) {
          const peer = { form, dtype, rows: T, columns: N, k: C } as const;
          yield { ...rest, name: `${form} ${shape}`, encode, peer };
        }
        for (const { storage } of [x, w, y, dw]) device.free(storage);
      }
    }
  }
}

function inType(device: CpuDevice, wide: Tensor, dtype: 'f32' | 'bf16'): Tensor {
  if (dtype === 'f32') return wide;
  const tensor = device.empty(wide.shape, dtype);
  device.kernels.cast(tensor, wide);
  device.free(wide.storage);
  return tensor;
}
