// Run in a worker of a browser: products of ours and of the peers in turns, then ours alone at what
// decoding reads. `?threads=`, `&sizes=` and `&peers=`, their names; posts rows of medians, or what
// went wrong.
import { CpuDevice } from '@cria/cpu/wasm';
import { type DType, dtypes, type Tensor } from '@cria/tensor';
import { peakOf } from '../../src/peak.ts';
import { openNative } from '../../src/wasm/browser.ts';

/** GFLOP/s, or GB/s of the weights read. */
export interface Measured {
  readonly name: string;
  readonly by: string;
  readonly value: number;
}

/** Prepares y = x·w for two matrices of n by n; what it gives runs it so many times. */
export type Product = (
  x: Float32Array,
  w: Float32Array,
  n: number,
) => Promise<{ run(times: number): void | Promise<void>; result(): Promise<ArrayLike<number>> }>;

const scope = globalThis as unknown as {
  readonly location: { readonly href: string };
  postMessage(message: unknown): void;
};
const asked = new URL(scope.location.href).searchParams;
const threads = Number(asked.get('threads'));
const sizes = asked.get('sizes')!.split(',').map(Number);
const names = asked.get('peers')!.split(',').filter(Boolean);
/** A turn of one participant, and turns of each. */
const TURN_MS = 150;
const TURNS = 9;
/** Weights that are read in turn, more than caches hold. */
const MEMORY_BYTES = 3e8;

const median = (numbers: number[]) => numbers.sort((a, b) => a - b)[numbers.length >> 1]!;
const wave = (length: number) => Float32Array.from({ length }, (_, i) => (((i * 37) % 101) - 50) / 50);

async function products(ours: Product): Promise<Measured[]> {
  const measured: Measured[] = [];
  const participants: [string, Product][] = [['ours', ours]];
  for (const name of names) {
    const peer = (await import(/* @vite-ignore */ `/peer-${name}.js`)) as {
      open(threads: number): Promise<Product>;
    };
    participants.push([name, await peer.open(threads)]);
  }
  for (const n of sizes) {
    const [x, w] = [wave(n * n), wave(n * n).reverse()];
    const ready = [];
    let expected: ArrayLike<number> | undefined;
    for (const [name, prepare] of participants) {
      const { run, result } = await prepare(x, w, n);
      const found = await result();
      expected ??= found;
      for (let i = 0; i < n * n; i += 997)
        if (!(Math.abs(found[i]! - expected[i]!) < 1e-2))
          throw new Error(`${name} has ${found[i]} at ${i} of ${n}x${n}, ours ${expected[i]}`);
      const once = async (times: number) => {
        const start = performance.now();
        await run(times);
        return (performance.now() - start) / times;
      };
      for (let spent = 0; spent < 500;) spent += 4 * (await once(4)); // the compiler that optimises needs to see it run
      const times = Math.max(1, Math.round(TURN_MS / (await once(4))));
      ready.push({ name, once, times, seen: [] as number[] });
    }
    for (let turn = 0; turn < TURNS; turn++)
      for (const { once, times, seen } of ready) seen.push(await once(times));
    for (const { name, seen } of ready)
      measured.push({ name: `product ${n}`, by: name, value: (2 * n ** 3) / median(seen) / 1e6 });
  }
  return measured;
}

/** y = x·w as a linear layer: its weight is w, transposed. */
const linear =
  (device: CpuDevice): Product =>
  async (x, w, n) => {
    const weight = device.tensor(
      w.map((_, i) => w[(i % n) * n + Math.floor(i / n)]!),
      [n, n],
      'f32',
    );
    const [input, output] = [device.tensor(x, [n, n], 'f32'), device.empty([n, n], 'f32')];
    const run = (times: number) => {
      for (let i = 0; i < times; i++) {
        device.kernels.linear(output, input, weight);
        void device.flush();
      }
    };
    return {
      run,
      result: () => {
        run(1);
        return output.toFloat32();
      },
    };
  };

/** One row by packed weights that lie in memory, and reading memory alone. */
function decoding(device: CpuDevice): Measured[] {
  const [F, D] = [2048, 768];
  const seconds = (encode: () => void) => {
    const once = () => {
      const start = performance.now();
      encode();
      void device.flush();
      return (performance.now() - start) / 1000;
    };
    once();
    return median(Array.from({ length: 7 }, once));
  };
  const size = 1 << 26;
  const [numbers, sum] = [device.empty([size], 'f32'), device.empty([1], 'f32')];
  device.kernels.fill(numbers, 1);
  const read = (4 * size) / seconds(() => device.kernels.sumSquares(sum, numbers)) / 1e9;
  device.free(numbers.storage);
  const rows = (['f32', 'bf16', 'q8_0', 'q4_0'] as const satisfies DType[]).map((dtype) => {
    const { blockSize, blockBytes } = dtypes[dtype];
    const bytes = (F * D * blockBytes) / blockSize;
    const plain = device.empty([F, D], dtype);
    device.writeBytes(
      plain.storage,
      0,
      new Uint8Array(bytes).map((_, i) => (i * 7919) & 0x1f),
    );
    const weights = Array.from({ length: Math.ceil(MEMORY_BYTES / bytes) }, () => device.pack(plain));
    const [x, y] = [device.tensor(wave(D), [1, D], 'f32'), device.empty([1, F], 'f32')];
    const run = (weight: Tensor) => device.kernels.linear(y, x, weight);
    const value = (bytes * weights.length) / seconds(() => weights.forEach(run)) / 1e9;
    for (const weight of [...weights, plain]) device.free(weight.storage);
    return { name: `decode ${dtype}`, by: 'ours', value };
  });
  return [{ name: 'read', by: 'memory', value: read }, ...rows];
}

async function measure(): Promise<Measured[]> {
  const { native } = await openNative({ file: fetch('/cria-cpu.wasm'), threads });
  using device = new CpuDevice({ native, isa: 0, threads, background: false });
  const rows = await products(linear(device));
  return [...rows, ...decoding(device), { name: 'peak', by: 'registers', value: peakOf(native, threads, 0) }];
}

scope.postMessage(await measure().catch((error: Error) => String(error.stack)));
