import { type DType, dequantize, dtypes, numberToF16, type Tensor, uniforms } from '@cria/tensor';
import { describe, expect, test } from 'vitest';
import { cpu, type CpuDevice, cpuAvailability } from '../src/index.ts';

/* Few rows read packed weights in strips of their own; rows and widths around every one of them. */

const { isas } = cpuAvailability();
const ROWS = 24;
const N = 33;

function random(length: number, stream: number): Float64Array {
  const values = new Float64Array(length);
  uniforms({ seed: 7, stream, start: 0 }, values);
  return values;
}

const xs = (C: number) => Float32Array.from(random(ROWS * C, 2), (u) => 4 * u - 2);

/** Blocks of random bits; the bytes at `factors` of each are ordinary halves. */
function blocks(format: DType, C: number, factors: readonly number[]): Uint8Array {
  const { blockSize, blockBytes } = dtypes[format];
  const bytes = Uint8Array.from(random((N * C * blockBytes) / blockSize, 1), (u) => u * 256);
  for (let start = 0; start < bytes.length; start += blockBytes) {
    for (const at of factors) {
      const half = numberToF16(0.002 + bytes[start]! / 65536);
      [bytes[start + at], bytes[start + at + 1]] = [half & 255, half >> 8];
    }
  }
  return bytes;
}

function packed(device: CpuDevice, format: DType, C: number, bytes: Uint8Array): Tensor {
  return device.pack(device.empty([N, C], format).write(bytes));
}

function product(device: CpuDevice, w: Tensor, x: Tensor): Promise<Float32Array> {
  const y = device.empty([x.rows, N], 'f32');
  device.kernels.linear(y, x, w);
  return y.toFloat32();
}

describe.each(isas)('few rows on %s', (isa) => {
  test('have the bits of many, however many they are', async () => {
    const C = 768;
    using device = cpu({ isa, threads: 2 });
    const x = device.tensor(xs(C), [ROWS, C], 'f32');
    const all = { q8_0: [0], q4_0: [0], q5_1: [0, 2], q4_k: [0, 2], q6_k: [208] } as const;
    for (const [format, factors] of Object.entries(all)) {
      const w = packed(device, format as DType, C, blocks(format as DType, C, factors));
      const whole = await product(device, w, x);
      for (let rows = 1; rows <= 18; rows++) {
        const from = ROWS - rows;
        const got = await product(device, w, x.slice(from, ROWS));
        expect(got, `${rows} rows of ${format}`).toEqual(whole.subarray(from * N));
      }
    }
  });

  test.each([32, 96, 128, 160, 288])(
    'of %i columns in Q8_0, whole groups or not, are as defined',
    async (C) => {
      using device = cpu({ isa, threads: 2 });
      const bytes = blocks('q8_0', C, [0]);
      const weights = new Float32Array(N * C);
      dequantize('q8_0', bytes, weights);
      const values = xs(C);
      const x = device.tensor(values, [ROWS, C], 'f32');
      const w = packed(device, 'q8_0', C, bytes);
      for (const rows of [1, 3, ROWS]) {
        const got = await product(device, w, x.slice(0, rows));
        for (let i = 0; i < got.length; i++) {
          let [want, size] = [0, 0];
          for (let c = 0; c < C; c++) {
            const term = values[Math.floor(i / N) * C + c]! * weights[(i % N) * C + c]!;
            want += term;
            size += Math.abs(term);
          }
          // Half a step of 2 / 127 for each activation, at most.
          expect(Math.abs(got[i]! - want)).toBeLessThan(0.01 * size + 1e-4);
        }
      }
    },
  );
});
