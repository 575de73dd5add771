/*
 * Every kernel at the shapes of a training step and of decoding, beside what this machine can do at most.
 *
 *   npm run bench -- cpu [--json] [--threads 1,2] [--presets 15m,110m] [--rows 256,2048] [--isa auto,avx2] [--only linear,decode]
 *       [--milliseconds 300] [--python PYTHON]
 *
 * Limits, of the same threads and instruction set: products in f32 the register peak; in bf16 the peak of the unit that is best there;
 * with quantised weights the peak of whole-number products (four times f32's where bytes are multiplied by one instruction, twice on
 * AVX2, which takes three); everything that streams memory a copy between two large tensors (read and write counted), decoding (1 to 16
 * rows by weights that lie in memory) reading memory. `--python` names an interpreter with PyTorch, NumPy or both, whose products are timed in turn
 * with ours (NumPy's where threadpoolctl is there too). `--only` picks the rows whose name holds one of the words. Medians; run it on a quiet machine.
 */
import { parseArgs } from 'node:util';
import { cpu, type CpuDevice, type IsaName, measurePeak } from '@cria/cpu';
import { dtypes, type Tensor } from '@cria/tensor';
import { GemmPeers, type PeerProduct } from './_gemm-peers.ts';

interface Preset {
  /** Rows of everything but products, whose number is a flag. */
  readonly T: number;
  readonly sequences: number;
  readonly D: number;
  readonly H: number;
  readonly F: number;
}

/** T rows in so many sequences; D width, H heads, F feed-forward width; a vocabulary of 32,000. */
const presets: Record<string, Preset> = {
  '15m': { T: 2048, sequences: 8, D: 288, H: 6, F: 768 },
  '110m': { T: 2048, sequences: 4, D: 768, H: 12, F: 2048 },
  '1.1b': { T: 2048, sequences: 1, D: 2048, H: 32, F: 5632 },
};
const V = 32_000;
const weightTypes = ['f32', 'bf16', 'f16', 'q8_0', 'q4_0', 'q4_k', 'q6_k'] as const;
/** Weights that are read in turn, more than caches hold. */
const MEMORY_BYTES = 3e8;

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    threads: { type: 'string', default: '1,2' },
    presets: { type: 'string', default: '15m,110m' },
    rows: { type: 'string', default: '2048' },
    python: { type: 'string' },
    isa: { type: 'string', default: 'auto' },
    'fast-prefill': { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    milliseconds: { type: 'string', default: '300' },
  },
});

/** One kernel: `work` is floating-point operations or bytes of one call. */
interface Work {
  readonly name: string;
  readonly unit: 'GFLOP/s' | 'GB/s';
  readonly work: number;
  readonly target: number;
  readonly encode: () => void;
  /** What it is measured against: GB/s a copy, GFLOP/s the f32 peak where nothing is said. */
  readonly limit?: 'read' | 'copy' | 'f32' | 'bf16' | 'int8';
  /** The same product of other libraries. */
  readonly peer?: Omit<PeerProduct, 'threads'>;
}

/** Works are made when they are wanted: their tensors are large. */
type Works = Generator<Work>;

const peers = values.python === undefined ? undefined : new GemmPeers(values.python);
for (const isa of values.isa.split(',') as ('auto' | IsaName)[]) {
  for (const threads of values.threads.split(',').map(Number)) {
    for (const name of values.presets.split(',')) await benchPreset(name, threads, isa);
  }
}
peers?.close();

async function benchPreset(name: string, threads: number, isa: 'auto' | IsaName): Promise<void> {
  const preset = presets[name];
  if (!preset)
    throw new Error(`[bench cpu] unknown preset "${name}". hint: ${Object.keys(presets).join(', ')}`);
  const words = values.only.split(',');
  for (const works of [products, attention, losses, decoding, streams, packedWeights]) {
    // A device a group, so that its tensors go when the group is done.
    using device = cpu({ threads, isa });
    const [copy, read] = [copySpeed(device), readSpeed(device)];
    for (const work of works(device, preset)) {
      const title = `${name} ${work.name}`;
      if (!words.some((word) => title.includes(word))) continue;
      const value = work.work / median(device, work.encode) / 1e9;
      const limit = limitOf(work, device, { threads, isa, copy, read });
      const { unit, target } = work;
      const row = { name: `${title}, ${device.isa}`, threads, value, unit };
      report({ ...row, ...limit, ratio: value / limit.peerValue, target });
      if (!work.peer || !peers) continue;
      const { gflops, peer } = await peers.time({ ...work.peer, threads });
      if (gflops === undefined || peer === undefined) continue;
      report({ ...row, peer, peerValue: gflops, ratio: value / gflops, target: 1 });
    }
  }
}

/** What the work is measured against, measured now. */
function limitOf(
  { unit, limit = unit === 'GB/s' ? 'copy' : 'f32' }: Work,
  device: CpuDevice,
  { threads, isa, copy, read }: { threads: number; isa: 'auto' | IsaName; copy: number; read: number },
): { peer: string; peerValue: number } {
  if (limit === 'copy' || limit === 'read')
    return { peer: `memory ${limit}`, peerValue: limit === 'copy' ? copy : read };
  const f32 = measurePeak(threads, isa);
  if (limit === 'f32') return { peer: 'f32 register peak', peerValue: f32 };
  if (limit === 'bf16') {
    const bf16 = measurePeak(threads, isa, 'bf16');
    return { peer: 'register peak of the best unit', peerValue: Math.max(f32, bf16) };
  }
  const bytes = /vnni|bf16|amx/.test(device.isa);
  return { peer: 'register peak of bytes', peerValue: f32 * (bytes ? 4 : device.isa === 'avx2' ? 2 : 1) };
}

/** The three forms, in f32 and bf16. */
function* products(device: CpuDevice, { D, F }: Preset): Works {
  const { kernels } = device;
  const shapes: [number, number][] = [
    [D, D],
    [F, D],
    [D, F],
  ];
  for (const dtype of ['f32', 'bf16'] as const) {
    for (const T of values.rows.split(',').map(Number)) {
      for (const [N, C] of shapes) {
        const numbers = (rows: number, columns: number) =>
          inType(device, random(device, rows, columns), dtype);
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

function* attention(device: CpuDevice, { T, sequences, D, H }: Preset): Works {
  const { kernels } = device;
  const q = random(device, T, D);
  const [k, v, out, dout, dq, dk, dv] = Array.from({ length: 7 }, () => random(device, T, D)) as [
    Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor,
  ]; // prettier-ignore
  const lse = device.empty([T, H], 'f32');
  const starts = Array.from({ length: sequences + 1 }, (_, s) => (s * T) / sequences);
  const segments = device.tensor(starts, [sequences + 1], 'i32');
  const shape = { heads: H, kvHeads: H };
  // Half of the square, multiplied and added: scores and values.
  const pairs = (T * (T / sequences) * D) / 2;
  const rest = { unit: 'GFLOP/s', target: 0.4 } as const;
  yield {
    ...rest,
    name: 'attention',
    work: 4 * pairs,
    encode: () => kernels.attention(out, lse, q, k, v, segments, shape),
  };
  yield {
    ...rest,
    name: 'attentionGrad',
    work: 10 * pairs,
    encode: () => kernels.attentionGrad(dq, dk, dv, dout, q, k, v, out, lse, segments, shape),
  };
}

function* losses(device: CpuDevice, { T, D }: Preset): Works {
  const { kernels } = device;
  const [x, w, dx, dw] = [
    random(device, T, D),
    random(device, V, D),
    random(device, T, D),
    random(device, V, D),
  ];
  const each = device.empty([T], 'f32');
  const targets = device.tensor(
    Int32Array.from({ length: T }, (_, t) => (t * 131) % V),
    [T],
    'i32',
  );
  const rest = { unit: 'GFLOP/s', target: 0.6 } as const;
  yield {
    ...rest,
    name: 'linearCrossEntropy forward',
    work: 2 * T * V * D,
    encode: () => kernels.linearCrossEntropy(each, x, w, targets),
  };
  yield {
    ...rest,
    name: 'linearCrossEntropy',
    work: 6 * T * V * D,
    encode: () => kernels.linearCrossEntropy(each, x, w, targets, { dx, dw }),
  };
}

/** One row or a few against packed weights: bound by reading the weight. */
function* decoding(device: CpuDevice, { D, F }: Preset): Works {
  const shapes: [string, number, number][] = [
    ['output', V, D],
    ['up', F, D],
  ];
  for (const [name, N, C] of shapes) {
    const packed = device.pack(random(device, N, C));
    for (const rows of [1, 8]) {
      const [x, y] = [random(device, rows, C), random(device, rows, N)];
      yield {
        name: `linear packed, ${name}, ${rows} row${rows > 1 ? 's' : ''}`,
        unit: 'GB/s',
        limit: 'read',
        work: 4 * N * C,
        target: 0.85,
        encode: () => device.kernels.linear(y, x, packed),
      };
    }
  }
}

function* streams(device: CpuDevice, { T, D, H, F }: Preset): Works {
  const { kernels } = device;
  const [x, y, dy] = [random(device, T, D), random(device, T, D), random(device, T, D)];
  const [gain, dgain, rstd] = [
    random(device, 1, D).reshape(D),
    random(device, 1, D).reshape(D),
    random(device, 1, T).reshape(T),
  ];
  const [gate, up, hidden, dgate, dup] = [
    random(device, T, F),
    random(device, T, F),
    random(device, T, F),
    random(device, T, F),
    random(device, T, F),
  ];
  const positions = device.tensor(
    Int32Array.from({ length: T }, (_, t) => t % 256),
    [T],
    'i32',
  );
  const table = random(device, 256, D / H);
  const tokens = device.tensor(
    Int32Array.from({ length: T }, (_, t) => (t * 131) % V),
    [T],
    'i32',
  );
  const [embedding, dembedding] = [random(device, V, D), random(device, V, D)];
  const norm = device.empty([1], 'f32');
  const many = V * D;
  const [value, gradient, m, v] = [
    random(device, V, D),
    random(device, V, D),
    device.empty([V, D], 'f32'),
    device.empty([V, D], 'f32'),
  ];
  const adamw = {
    learningRate: 1e-3,
    beta1: 0.9,
    beta2: 0.95,
    epsilon: 1e-8,
    weightDecay: 0.1,
    gradientScale: 1,
    step: 10,
  };
  const gb = 'GB/s' as const;
  yield* [
    { name: 'rmsNorm', unit: gb, work: 8 * T * D, target: 0.8, encode: () => kernels.rmsNorm(y, rstd, x, gain, { eps: 1e-5 }) },
    { name: 'rmsNormGrad', unit: gb, work: 12 * T * D, target: 0.8, encode: () => kernels.rmsNormGrad(y, dgain, dy, x, gain, rstd) },
    { name: 'rope', unit: gb, work: 8 * T * D, target: 0.8, encode: () => kernels.rope(y, x, positions, table, { heads: H, pairing: 'half' }) },
    { name: 'swiglu', unit: gb, work: 12 * T * F, target: 0.8, encode: () => kernels.swiglu(hidden, gate, up) },
    { name: 'swigluGrad', unit: gb, work: 20 * T * F, target: 0.8, encode: () => kernels.swigluGrad(dgate, dup, hidden, gate, up) },
    { name: 'add', unit: gb, work: 12 * T * D, target: 0.8, encode: () => kernels.add(y, x, dy) },
    { name: 'embedding', unit: gb, work: 8 * T * D, target: 0.8, encode: () => kernels.embedding(y, tokens, embedding) },
    { name: 'embeddingGrad', unit: gb, work: 12 * T * D, target: 0.8, encode: () => kernels.embeddingGrad(dembedding, dy, tokens) },
    { name: 'sumSquares', unit: gb, limit: 'read', work: 4 * many, target: 0.85, encode: () => kernels.sumSquares(norm, gradient) },
    { name: 'adamw', unit: gb, work: 28 * many, target: 1.2, encode: () => kernels.adamw(value, gradient, m, v, adamw) },
    { name: 'fill', unit: gb, work: 4 * many, target: 0.5, encode: () => kernels.fill(dembedding, 0) },
  ] as Work[]; // prettier-ignore
}

/** Packed weights of every stored form: few rows by enough of them to lie in memory, and a prompt of 512. */
function* packedWeights(device: CpuDevice, { D, F }: Preset): Works {
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
    const weights = Array.from({ length: Math.ceil(MEMORY_BYTES / bytes) }, () => device.pack(plain));
    device.free(plain.storage);
    const rows = (count: number) => {
      const [x, y] = [random(device, count, D), device.empty([count, F], 'f32')];
      return (w: Tensor) => kernels.linear(y, x, w);
    };
    for (const count of [1, 4, 8, 16]) {
      const run = rows(count);
      yield {
        name: `decode ${dtype} ${count}x${F}x${D}`,
        unit: 'GB/s',
        limit: 'read',
        work: bytes * weights.length,
        target: 0.85,
        encode: () => weights.forEach(run),
      };
    }
    const prompt = rows(512);
    yield {
      name: `prompt ${dtype} 512x${F}x${D}`,
      unit: 'GFLOP/s',
      limit: dtype === 'bf16' ? 'bf16' : blockSize > 1 ? 'int8' : 'f32',
      work: 2 * 512 * F * D,
      // A block of 32 costs eight products of bytes and two to four operations in floats.
      target: blockSize > 1 ? 0.65 : 0.82,
      encode: () => prompt(weights[0]!),
    };
    for (const { storage } of weights) device.free(storage);
  }
}

/** Reading a tensor larger than any cache; a limit is what the calmest moment shows. */
function readSpeed(device: CpuDevice): number {
  const size = 1 << 26;
  const [x, out] = [device.empty([size], 'f32'), device.empty([1], 'f32')];
  device.kernels.fill(x, 1);
  const speed = (4 * size) / times(device, () => device.kernels.sumSquares(out, x))[0]! / 1e9;
  device.free(x.storage);
  return speed;
}

/** Read and write between two tensors larger than any cache. */
function copySpeed(device: CpuDevice): number {
  const size = 1 << 25;
  const [from, to] = [device.empty([size], 'f32'), device.empty([size], 'f32')];
  device.kernels.fill(from, 1);
  const speed = (8 * size) / times(device, () => device.kernels.cast(to, from))[0]! / 1e9;
  device.free(from.storage);
  device.free(to.storage);
  return speed;
}

function inType(device: CpuDevice, wide: Tensor, dtype: 'f32' | 'bf16'): Tensor {
  if (dtype === 'f32') return wide;
  const tensor = device.empty(wide.shape, dtype);
  device.kernels.cast(tensor, wide);
  device.free(wide.storage);
  return tensor;
}

function random(device: CpuDevice, rows: number, columns: number): Tensor {
  // A short pattern: values only have to be ordinary.
  return device.tensor(
    Float32Array.from({ length: rows * columns }, (_, i) => (((i * 37) % 101) - 50) / 50),
    [rows, columns],
    'f32',
  );
}

/** Seconds a call, after one to warm up. */
function median(device: CpuDevice, encode: () => void): number {
  const spent = times(device, encode);
  return spent[spent.length >> 1]!;
}

/** Seconds of some calls, shortest first. */
function times(device: CpuDevice, encode: () => void): number[] {
  const run = () => {
    const start = performance.now();
    encode();
    void device.flush();
    return (performance.now() - start) / 1000;
  };
  run();
  const found: number[] = [];
  for (
    let spent = 0;
    found.length < 5 || (spent < Number(values.milliseconds) / 1000 && found.length < 1000);
    spent += found.at(-1)!
  )
    found.push(run());
  return found.sort((a, b) => a - b);
}

interface Row {
  readonly name: string;
  readonly threads: number;
  readonly value: number;
  readonly unit: string;
  readonly peer: string;
  readonly peerValue: number;
  readonly ratio: number;
  readonly target: number;
}

function report(row: Row): void {
  if (values.json) {
    console.log(JSON.stringify(row));
    return;
  }
  const { name, threads, value, unit, peer, peerValue, ratio, target } = row;
  const figures = `${value.toFixed(1).padStart(8)} ${unit.padEnd(8)} ${ratio.toFixed(2)} of ${peerValue.toFixed(0)}`;
  console.log(`${name.padEnd(48)} ${threads}T ${figures} (${peer}; target ${target})`);
}
