import {
  type DType,
  dequantize,
  type QuantizableDType,
  quantizable,
  quantize,
  type Tensor,
  uniforms,
} from '@cria/tensor';
import { CpuDevice } from '../../src/device.ts';
import type { Native } from '../../src/native.ts';

function random(length: number, stream: number): Float32Array {
  const values = new Float64Array(length);
  uniforms({ seed: 29, stream, start: 0 }, values);
  return Float32Array.from(values, (u) => 2 * u - 1);
}

/** Rounded to bf16 by cutting: the values of operands, not a way to round. */
const cut = (values: Float32Array) => {
  const bits = new Uint32Array(values.slice().buffer).map((b) => b & 0xffff0000);
  return new Float32Array(bits.buffer);
};

/**
 * What only tiles promise: the order of the sum in bf16, the bits of VNNI in whole numbers, and the
 * faster arithmetic by option.
 */
export async function tileFailures(native: Native): Promise<string[]> {
  return [
    ...(await orderFailures(native)),
    ...(await wholeFailures(native)),
    ...(await prefillFailures(native)),
  ];
}

function open(native: Native, isa: string, fastPrefill = false): CpuDevice {
  const index = native.isas.findIndex(({ name }) => name === isa);
  return new CpuDevice({ native, isa: index, threads: 2, background: false, fastPrefill });
}

/** The first place where two results differ, or −1. */
const differing = (a: Float32Array, b: Float32Array) => a.findIndex((value, i) => !Object.is(value, b[i]));

/**
 * For each 32 of k: even = Σ over even k from 0, odd = Σ over odd k, each an fma chain; then sum +
 * (even + odd). A denormal operand is 0. As it was measured on a processor with tiles.
 */
function tileSum(x: Float32Array, w: Float32Array, C: number, t: number, n: number): number {
  const at = (values: Float32Array, i: number) => (Math.abs(values[i]!) < 2 ** -126 ? 0 : values[i]!);
  let sum = 0;
  for (let first = 0; first < C; first += 32) {
    const chains = [0, 0];
    for (let c = first; c < Math.min(C, first + 32); c++) {
      // Products of bf16 are exact in double, and so are these sums before they are rounded.
      chains[c % 2] = Math.fround(at(x, t * C + c) * at(w, n * C + c) + chains[c % 2]!);
    }
    sum = Math.fround(sum + Math.fround(chains[0]! + chains[1]!));
  }
  return sum;
}

async function orderFailures(native: Native): Promise<string[]> {
  const failures: string[] = [];
  using device = open(native, 'amx');
  for (const [T, N, C] of [
    [1, 33, 31],
    [5, 70, 300],
    [17, 40, 545],
    [40, 96, 256],
    [66, 31, 1100],
  ] as const) {
    // prettier-ignore
    const [xs, ws] = [cut(random(T * C, 1)), cut(random(N * C, 2))];
    xs.set(cut(Float32Array.of(1e-39, -1e-40)), Math.floor(C / 2));
    const want = new Float32Array(T * N);
    for (let t = 0; t < T; t++) for (let n = 0; n < N; n++) want[t * N + n] = tileSum(xs, ws, C, t, n);
    const x = device.tensor(xs, [T, C], 'f32');
    const w = device.tensor(ws, [N, C], 'bf16');
    for (const weight of [w, device.pack(w)]) {
      const y = device.empty([T, N], 'f32');
      device.kernels.linear(y, x, weight);
      const wrong = differing(await y.toFloat32(), want);
      if (wrong >= 0)
        failures.push(`order of sums, T ${T}, N ${N}, C ${C}, ${weight.layout}: differs at ${wrong}`);
    }
  }
  return failures;
}

async function wholeFailures(native: Native): Promise<string[]> {
  const failures: string[] = [];
  const [N, C] = [53, 1280];
  const xs = random(45 * C, 3);
  for (const dtype of quantizable) {
    const results: Float32Array[] = [];
    for (const isa of ['avx512vnni', 'amx']) {
      using device = open(native, isa);
      for (const T of [45, 9, 4]) {
        const y = device.empty([T, N], 'f32');
        device.kernels.linear(
          y,
          device.tensor(xs.subarray(0, T * C), [T, C], 'f32'),
          device.pack(weight(device, dtype, N, C)),
        );
        results.push(await y.toFloat32());
      }
    }
    [45, 9, 4].forEach((T, i) => {
      const wrong = differing(results[i + 3]!, results[i]!);
      if (wrong >= 0)
        failures.push(
          `bits of VNNI, ${dtype}, T ${T}: ${results[i + 3]![wrong]} instead of ${results[i]![wrong]} at ${wrong}`,
        );
    });
  }
  return failures;
}

/** A weight some 1/√C large. */
function weight(device: CpuDevice, dtype: QuantizableDType, N: number, C: number): Tensor {
  const values = random(N * C, 4).map((value) => value / Math.sqrt(C));
  const tensor = device.empty([N, C], dtype as DType);
  const blocks = new Uint8Array(tensor.byteLength);
  quantize(dtype, values, C, blocks);
  device.writeBytes(tensor.storage, tensor.offset, blocks);
  return tensor;
}

async function prefillFailures(native: Native): Promise<string[]> {
  const failures: string[] = [];
  const [N, C] = [45, 768];
  using exact = open(native, 'amx');
  using fast = open(native, 'amx', true);
  if (fast.determinism !== 'repeatable' || !fast.description.endsWith('fast prefill'))
    failures.push(`fastPrefill calls itself ${fast.determinism}, ${fast.description}`);
  for (const dtype of quantizable) {
    for (const [T, packed] of [
      [64, true],
      [63, true],
      [77, false],
      [300, true],
    ] as const) {
      // prettier-ignore
      const xs = random(T * C, 5);
      const [results, values] = [[] as Float32Array[], new Float32Array(N * C)];
      for (const device of [fast, exact]) {
        const w = weight(device, dtype, N, C);
        dequantize(dtype, new Uint8Array(await device.readBytes(w.storage, w.offset, w.byteLength)), values);
        const residual = device.tensor(random(T * N, 6), [T, N], 'f32');
        const y = device.empty([T, N], 'f32');
        device.kernels.linear(y, device.tensor(xs, [T, C], 'f32'), packed ? device.pack(w) : w, { residual });
        results.push(await y.toFloat32());
      }
      const [got, whole] = results as [Float32Array, Float32Array];
      const name = `fast prefill, ${dtype}, T ${T}`;
      if (T < 64 !== differing(got, whole) < 0)
        failures.push(`${name}: few rows take whole numbers, many do not`);
      const added = random(T * N, 6);
      for (let i = 0; i < T * N; i++) {
        let [sum, size] = [added[i]!, Math.abs(added[i]!)];
        for (let c = 0; c < C; c++) {
          const product = xs[Math.floor(i / N) * C + c]! * values[(i % N) * C + c]!;
          [sum, size] = [sum + product, size + Math.abs(product)];
        }
        // Both factors are rounded to 8 bits of mantissa, or to 8 bits of a block.
        if (Math.abs(got[i]! - sum) > size * 2 ** -8) {
          failures.push(`${name}: ${got[i]} instead of ${sum} at ${i}`);
          break;
        }
      }
    }
  }
  return failures;
}
