import { type DType, dequantize, dtypes, numberToF16, type Tensor, uniforms } from '@cria/tensor';
import { describe, expect, test } from 'vitest';
import { cpu, type CpuDevice, cpuAvailability, type IsaName } from '../src/index.ts';

const { isas } = cpuAvailability();
const formats = ['q8_0', 'q4_0', 'q4_1', 'q5_0', 'q5_1', 'q4_k', 'q5_k', 'q6_k'] as const;
/** Bytes of a block that belong to a half-precision factor. */
const factors: Record<(typeof formats)[number], readonly number[]> = {
  q8_0: [0], q4_0: [0], q4_1: [0, 2], q5_0: [0], q5_1: [0, 2], q4_k: [0, 2], q5_k: [0, 2], q6_k: [208],
}; // prettier-ignore

const [T, N, C] = [19, 70, 512];

function random(length: number, stream: number): Float64Array {
  const values = new Float64Array(length);
  uniforms({ seed: 5, stream, start: 0 }, values);
  return values;
}

/** Blocks of random bits with ordinary factors. */
function blocks(format: (typeof formats)[number]): Uint8Array {
  const { blockSize, blockBytes } = dtypes[format];
  const bytes = Uint8Array.from(random((N * C * blockBytes) / blockSize, 1), (u) => u * 256);
  for (let start = 0; start < bytes.length; start += blockBytes) {
    for (const at of factors[format]) {
      const half = numberToF16(0.002 + bytes[start]! / 65536);
      bytes[start + at] = half & 255;
      bytes[start + at + 1] = half >> 8;
    }
  }
  return bytes;
}

const activations = Float32Array.from(random(T * C, 2), (u) => 4 * u - 2);

function weightOn(device: CpuDevice, format: DType, bytes: Uint8Array): Tensor {
  const plain = device.empty([N, C], format);
  return device.pack(plain.write(bytes));
}

async function product(
  device: CpuDevice,
  w: Tensor,
  xs: Float32Array,
  cuts: readonly number[],
): Promise<Float32Array> {
  const rows = xs.length / C;
  const [x, y] = [device.tensor(xs, [rows, C], 'f32'), device.empty([rows, N], 'f32')];
  let start = 0;
  for (const count of cuts) {
    device.kernels.linear(y.slice(start, start + count), x.slice(start, start + count), w);
    start += count;
  }
  return y.toFloat32();
}

/** The definition: activations in 8 bits with a scale for 32, weights as their format says, everything else exact. */
function defined(format: DType, bytes: Uint8Array, xs: Float32Array): Float64Array {
  const weights = new Float32Array(N * C);
  dequantize(format, bytes, weights);
  const rounded = Float64Array.from(xs);
  for (let b = 0; b < xs.length; b += 32) {
    const largest = Math.max(...xs.subarray(b, b + 32).map(Math.abs));
    for (let i = b; i < b + 32; i++) rounded[i] = (Math.round((xs[i]! * 127) / largest) * largest) / 127;
  }
  const y = new Float64Array((xs.length / C) * N);
  for (let i = 0; i < y.length; i++) {
    const [t, n] = [Math.floor(i / N), i % N];
    for (let c = 0; c < C; c++) y[i]! += rounded[t * C + c]! * weights[n * C + c]!;
  }
  return y;
}

describe.each(formats)('weights in %s', (format) => {
  const bytes = blocks(format);

  test('are multiplied as defined, to the rounding of sums in f32', async () => {
    const want = defined(format, bytes, activations);
    const largest = Math.max(...want.map(Math.abs));
    for (const isa of isas) {
      using device = cpu({ isa, threads: 2 });
      const got = await product(device, weightOn(device, format, bytes), activations, [T]);
      got.forEach((value, i) =>
        expect(Math.abs(value - want[i]!), `${isa} ${i}`).toBeLessThan(2e-3 * largest),
      );
    }
  });

  test('give the same bits on every instruction set that fuses, alone and together', async () => {
    const fusing = isas.filter((isa) => isa !== 'baseline');
    const results = fusing.map(async (isa: IsaName) => {
      using device = cpu({ isa, threads: 2 });
      const w = weightOn(device, format, bytes);
      const whole = await product(device, w, activations, [T]);
      expect(await product(device, w, activations, [1, 2, 3, 4, 9]), isa).toEqual(whole);
      return whole;
    });
    const all = await Promise.all(results);
    for (const other of all) expect(other).toEqual(all[0]);
  });

  test('have room in whole numbers for the largest weights by the largest activations', async () => {
    const full = Uint8Array.from(bytes, (byte, i) =>
      factors[format].some((at) => [0, 1].includes((i % dtypes[format].blockBytes) - at))
        ? byte
        : format === 'q8_0' ? 128 : 255,
    ); // prettier-ignore
    for (const sign of [1, -1]) {
      const xs = new Float32Array(T * C).fill(sign);
      const want = defined(format, full, xs);
      const largest = Math.max(...want.map(Math.abs));
      for (const isa of isas) {
        using device = cpu({ isa, threads: 1 });
        const w = weightOn(device, format, full);
        for (const cuts of [[T], [1, 2, 3, 4, 9]]) {
          const got = await product(device, w, xs, cuts);
          got.forEach((value, i) =>
            expect(Math.abs(value - want[i]!), `${isa} ${i}`).toBeLessThan(1e-4 * largest),
          );
        }
      }
    }
  });

  test('take rows of zeros, tiny numbers and what is not finite', async () => {
    for (const isa of isas) {
      using device = cpu({ isa, threads: 1 });
      const xs = activations.slice(0, 5 * C);
      xs.fill(0, C, 2 * C);
      xs.fill(1e-42, 2 * C, 3 * C);
      xs[3 * C + 40] = NaN;
      xs[4 * C + 500] = -Infinity;
      const w = weightOn(device, format, bytes);
      const y = await product(device, w, xs, [5]);
      const row = (t: number) => [...y.subarray(t * N, (t + 1) * N)];
      expect(row(0).every(Number.isFinite)).toBe(true);
      expect(
        row(1)
          .concat(row(2))
          .every((value) => value === 0),
        isa,
      ).toBe(true);
      expect(
        row(3)
          .concat(row(4))
          .every((value) => !Number.isFinite(value)),
        isa,
      ).toBe(true);
      expect(await product(device, w, xs.slice(0, 0), [0])).toEqual(new Float32Array(0));
    }
  });
});
