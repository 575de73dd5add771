import type { CpuDevice } from '@cria/cpu';
import type { Tensor } from '@cria/tensor';
import type { PeerProduct } from '../_gemm-peers.ts';

/** Peaks of the units that multiply. */
export type Arithmetic = 'f32' | 'bf16' | 'int8';

/** One kernel: `work` is floating-point operations or bytes of one call. */
export interface Work {
  readonly name: string;
  readonly unit: 'GFLOP/s' | 'GB/s';
  readonly work: number;
  readonly target: number;
  readonly encode: () => void;
  /** What it is measured against: GB/s a copy, GFLOP/s the f32 peak where nothing is said. */
  readonly limit?: 'read' | 'copy' | Arithmetic;
  /** Arithmetic that work in GB/s needs besides: what takes longer is the limit. */
  readonly needs?: { readonly flops: number; readonly unit: Arithmetic };
  /** The same product of other libraries. */
  readonly peer?: Omit<PeerProduct, 'threads'>;
}

/** Works are made when they are wanted: their tensors are large. */
export type Works = Generator<Work>;

/** T rows in so many sequences; D width, H heads, F feed-forward width, V vocabulary. */
export interface Preset {
  /** Rows of everything but products, whose number is a flag. */
  readonly T: number;
  readonly sequences: number;
  readonly D: number;
  readonly H: number;
  readonly F: number;
  readonly V: number;
  /** Bytes that caches do not hold: of weights that are read in turn, and of the tensors of a stream. */
  readonly memory: number;
}

export const presets: Readonly<Record<string, Preset>> = {
  '15m': { T: 2048, sequences: 8, D: 288, H: 6, F: 768, V: 32_000, memory: 3e8 },
  '110m': { T: 2048, sequences: 4, D: 768, H: 12, F: 2048, V: 32_000, memory: 3e8 },
  '1.1b': { T: 2048, sequences: 1, D: 2048, H: 32, F: 5632, V: 32_000, memory: 3e8 },
  /** For the test that every row still runs. */
  tiny: { T: 8, sequences: 2, D: 256, H: 2, F: 256, V: 512, memory: 1e6 },
};

/** Ordinary numbers in a short pattern. */
export function random(device: CpuDevice, ...shape: number[]): Tensor {
  const size = shape.reduce((a, b) => a * b);
  const values = new Float32Array(size);
  for (let i = 0; i < size; i++) values[i] = (((i * 37) % 101) - 50) / 50;
  return device.tensor(values, shape, 'f32');
}

/** i32 [T]: `at(t)` for each. */
export function indices(device: CpuDevice, T: number, at: (t: number) => number): Tensor {
  return device.tensor(
    Int32Array.from({ length: T }, (_, t) => at(t)),
    [T],
    'i32',
  );
}
