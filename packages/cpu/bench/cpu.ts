/*
 * Every kernel at the shapes of a training step and of decoding, beside what this machine can do at most.
 *
 *   npm run bench -- cpu [--json] [--threads 1,2] [--presets 15m,110m] [--isa auto] [--fast-prefill] [--only linear]
 *
 * Products are measured against the f32 register peak of the same threads and instruction set, also where their weight is bf16 or quantised
 * (units for those are faster), everything that streams memory against a copy between two large tensors (read and write counted), decoding
 * (1 to 16 rows by weights that lie in memory) against reading memory. Medians; run it on a quiet machine.
 */
import { parseArgs } from 'node:util';
import { cpu, type CpuDevice, type IsaName, measurePeak } from '@cria/cpu';
import { dtypes, type Tensor } from '@cria/tensor';

interface Preset {
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
  /** What GB/s are measured against; default a copy. */
  readonly limit?: 'read' | 'copy';
}

for (const threads of values.threads.split(',').map(Number)) {
  const isa = values.isa as 'auto' | IsaName;
  for (const name of values.presets.split(',')) {
    const preset = presets[name];
    if (!preset)
      throw new Error(`[bench cpu] unknown preset "${name}". hint: ${Object.keys(presets).join(', ')}`);
    using device = cpu({ threads, isa, fastPrefill: values['fast-prefill'] });
    const copy = copySpeed(device);
    const read = readSpeed(device);
    const works = [...products(device, preset), ...halfProducts(device, preset), ...streams(device, preset)];
    for (const work of [...works, ...packedWeights(device, preset)]) {
      if (!`${name} ${work.name}`.includes(values.only)) continue;
      const limit = work.limit === 'read' ? read : copy;
      const peak = work.unit === 'GFLOP/s' ? measurePeak(threads, isa) : limit;
      const value = work.work / median(device, work.encode) / 1e9;
      report({
        name: `${name} ${work.name}`,
        threads,
        value,
        unit: work.unit,
        peer:
          work.unit === 'GFLOP/s'
            ? `f32 register peak, ${device.isa}${device.fastPrefill ? ', fast prefill' : ''}`
            : `memory ${work.limit ?? 'copy'}`,
        peerValue: peak,
        ratio: value / peak,
        target: work.target,
      });
    }
  }
}

function products(device: CpuDevice, { T, sequences, D, H, F }: Preset): Work[] {
  const { kernels } = device;
  const square: [string, number, number][] = [
    [`${T}x${D}x${D}`, D, D],
    [`${T}x${F}x${D}`, F, D],
    [`${T}x${D}x${F}`, D, F],
  ];
  const forms = square.flatMap(([shape, N, C]): Work[] => {
    const [x, w, y, dw] = [
      random(device, T, C),
      random(device, N, C),
      random(device, T, N),
      random(device, N, C),
    ];
    const work = { unit: 'GFLOP/s', work: 2 * T * N * C, target: 0.82 } as const;
    return [
      { ...work, name: `linear ${shape}`, encode: () => kernels.linear(y, x, w) },
      { ...work, name: `linearGradInput ${shape}`, encode: () => kernels.linearGradInput(x, y, w) },
      { ...work, name: `linearGradWeight ${shape}`, encode: () => kernels.linearGradWeight(dw, y, x) },
    ];
  });
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
  const [x, w, dx, dw] = [
    random(device, T, D),
    random(device, V, D),
    random(device, T, D),
    random(device, V, D),
  ];
  const losses = device.empty([T], 'f32');
  const targets = device.tensor(
    Int32Array.from({ length: T }, (_, t) => (t * 131) % V),
    [T],
    'i32',
  );
  return [
    ...forms,
    {
      name: 'attention',
      unit: 'GFLOP/s',
      work: 4 * pairs,
      target: 0.4,
      encode: () => kernels.attention(out, lse, q, k, v, segments, shape),
    },
    {
      name: 'attentionGrad',
      unit: 'GFLOP/s',
      work: 10 * pairs,
      target: 0.4,
      encode: () => kernels.attentionGrad(dq, dk, dv, dout, q, k, v, out, lse, segments, shape),
    },
    {
      name: 'linearCrossEntropy forward',
      unit: 'GFLOP/s',
      work: 2 * T * V * D,
      target: 0.6,
      encode: () => kernels.linearCrossEntropy(losses, x, w, targets),
    },
    {
      name: 'linearCrossEntropy',
      unit: 'GFLOP/s',
      work: 6 * T * V * D,
      target: 0.6,
      encode: () => kernels.linearCrossEntropy(losses, x, w, targets, { dx, dw }),
    },
    ...decoding(device, D, F),
  ];
}

/** One row or a few against packed weights: bound by reading the weight. */
function decoding(device: CpuDevice, D: number, F: number): Work[] {
  const shapes: [string, number, number][] = [
    ['output', V, D],
    ['up', F, D],
  ];
  return shapes.flatMap(([name, N, C]) => {
    const packed = device.pack(random(device, N, C));
    return [1, 8].map((rows): Work => {
      const [x, y] = [random(device, rows, C), random(device, rows, N)];
      const encode = () => device.kernels.linear(y, x, packed);
      return {
        name: `linear packed, ${name}, ${rows} row${rows > 1 ? 's' : ''}`,
        unit: 'GB/s',
        work: 4 * N * C,
        target: 0.85,
        encode,
      };
    });
  });
}

function streams(device: CpuDevice, { T, D, H, F }: Preset): Work[] {
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
  return [
    { name: 'rmsNorm', unit: gb, work: 8 * T * D, target: 0.8, encode: () => kernels.rmsNorm(y, rstd, x, gain, { eps: 1e-5 }) },
    { name: 'rmsNormGrad', unit: gb, work: 12 * T * D, target: 0.8, encode: () => kernels.rmsNormGrad(y, dgain, dy, x, gain, rstd) },
    { name: 'rope', unit: gb, work: 8 * T * D, target: 0.8, encode: () => kernels.rope(y, x, positions, table, { heads: H, pairing: 'half' }) },
    { name: 'swiglu', unit: gb, work: 12 * T * F, target: 0.8, encode: () => kernels.swiglu(hidden, gate, up) },
    { name: 'swigluGrad', unit: gb, work: 20 * T * F, target: 0.8, encode: () => kernels.swigluGrad(dgate, dup, hidden, gate, up) },
    { name: 'add', unit: gb, work: 12 * T * D, target: 0.8, encode: () => kernels.add(y, x, dy) },
    { name: 'embedding', unit: gb, work: 8 * T * D, target: 0.8, encode: () => kernels.embedding(y, tokens, embedding) },
    { name: 'embeddingGrad', unit: gb, work: 12 * T * D, target: 0.8, encode: () => kernels.embeddingGrad(dembedding, dy, tokens) },
    { name: 'sumSquares', unit: gb, work: 4 * many, target: 0.5, encode: () => kernels.sumSquares(norm, gradient) },
    { name: 'adamw', unit: gb, work: 28 * many, target: 1.2, encode: () => kernels.adamw(value, gradient, m, v, adamw) },
    { name: 'fill', unit: gb, work: 4 * many, target: 0.5, encode: () => kernels.fill(dembedding, 0) },
  ]; // prettier-ignore
}

/** The three forms with activations and weights in bf16. */
function halfProducts(device: CpuDevice, { T, D, F }: Preset): Work[] {
  const { kernels } = device;
  const half = (rows: number, columns: number) => {
    const wide = random(device, rows, columns);
    const tensor = device.empty([rows, columns], 'bf16');
    kernels.cast(tensor, wide);
    device.free(wide.storage);
    return tensor;
  };
  const [x, w, y] = [half(T, D), half(F, D), half(T, F)];
  const dw = device.empty([F, D], 'f32');
  const work = { unit: 'GFLOP/s', work: 2 * T * F * D, target: 1.64 } as const;
  const shape = `bf16 ${T}x${F}x${D}`;
  return [
    { ...work, name: `linear ${shape}`, encode: () => kernels.linear(y, x, w) },
    { ...work, name: `linearGradInput ${shape}`, encode: () => kernels.linearGradInput(x, y, w) },
    { ...work, name: `linearGradWeight ${shape}`, encode: () => kernels.linearGradWeight(dw, y, x) },
  ];
}

/** Packed weights of every stored form: few rows by enough of them to lie in memory, and a prompt of 512. */
function packedWeights(device: CpuDevice, { D, F }: Preset): Work[] {
  const { kernels } = device;
  return weightTypes.flatMap((dtype): Work[] => {
    const { blockSize, blockBytes } = dtypes[dtype];
    if (D % blockSize !== 0) return [];
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
    const prompt = rows(512);
    return [
      ...[1, 4, 8, 16].map((count): Work => {
        const run = rows(count);
        return {
          name: `decode ${dtype} ${count}x${F}x${D}`,
          unit: 'GB/s',
          limit: 'read',
          work: bytes * weights.length,
          target: 0.85,
          encode: () => weights.forEach(run),
        };
      }),
      {
        name: `prompt ${dtype} 512x${F}x${D}`,
        unit: 'GFLOP/s',
        work: 2 * 512 * F * D,
        target: dtype === 'f32' || dtype === 'f16' ? 0.82 : 1.64,
        encode: () => prompt(weights[0]!),
      },
    ];
  });
}

/** Reading a tensor larger than any cache. */
function readSpeed(device: CpuDevice): number {
  const size = 1 << 26;
  const [x, out] = [device.empty([size], 'f32'), device.empty([1], 'f32')];
  device.kernels.fill(x, 1);
  const speed = (4 * size) / median(device, () => device.kernels.sumSquares(out, x)) / 1e9;
  device.free(x.storage);
  return speed;
}

/** Read and write between two tensors larger than any cache. */
function copySpeed(device: CpuDevice): number {
  const size = 1 << 25;
  const [from, to] = [device.empty([size], 'f32'), device.empty([size], 'f32')];
  device.kernels.fill(from, 1);
  const speed = (8 * size) / median(device, () => device.kernels.cast(to, from)) / 1e9;
  device.free(from.storage);
  device.free(to.storage);
  return speed;
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
  const run = () => {
    const start = performance.now();
    encode();
    void device.flush();
    return (performance.now() - start) / 1000;
  };
  run();
  const times: number[] = [];
  for (
    let spent = 0;
    times.length < 5 || (spent < Number(values.milliseconds) / 1000 && times.length < 1000);
    spent += times.at(-1)!
  )
    times.push(run());
  return times.sort((a, b) => a - b)[times.length >> 1]!;
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
  console.log(`${name.padEnd(40)} ${threads}T ${figures} (${peer}; target ${target})`);
}
