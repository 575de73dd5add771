import type { CpuDevice } from '@cria/cpu';
import { dtypes, type Tensor } from '@cria/tensor';
import { type Preset, random, type Works } from './work.ts';

const weightTypes = ['f32', 'bf16', 'f16', 'q8_0', 'q4_0', 'q4_k', 'q6_k'] as const;

/** Packed weights of every stored form: few rows by enough of them to lie in memory, and a prompt of 512. */
export function* packedWeights(device: CpuDevice, { D, F, memory }: Preset): Works {
  const { kernels } = device;
  for (const dtype of weightTypes) {
    const { blockSize, blockBytes } = dtypes[dtype];
    if (D % blockSize !== 0) continue;
    const bytes = (F * D * blockBytes) / blockSize;
    const plain = device.empty([F, D], dtype);
    device.writeBytes(
      plain.storage,
      0,
      new Uint8Array(bytes).map((_, i) => (i * 7919) & 0x1f),
    );
    const weights = Array.from({ length: Math.ceil(memory / bytes) }, () => device.pack(plain));
    device.free(plain.storage);
    const rows = (count: number) => {
      const [x, y] = [random(device, count, D), device.empty([count, F], 'f32')];
      return (w: Tensor) => kernels.linear(y, x, w);
    };
    const unit = dtype === 'bf16' ? 'bf16' : blockSize > 1 ? 'int8' : 'f32';
    for (const count of [1, 4, 8, 16]) {
      const run = rows(count);
      yield {
        name: `decode ${dtype} ${count}x${F}x${D}`,
        unit: 'GB/s',
        limit: 'read',
        work: bytes * weights.length,
        needs: { flops: 2 * count * F * D * weights.length, unit },
        target: 0.85,
        encode: () => weights.forEach(run),
      };
    }
    const prompt = rows(512);
    yield {
      name: `prompt ${dtype} 512x${F}x${D}`,
      unit: 'GFLOP/s',
      limit: unit,
      work: 2 * 512 * F * D,
      // A block of 32 costs eight products of bytes and two to four operations in floats.
      target: blockSize > 1 ? 0.65 : 0.82,
      encode: () => prompt(weights[0]!),
    };
    for (const { storage } of weights) device.free(storage);
  }
}
