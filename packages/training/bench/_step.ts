/*
 * One configuration in a process of its own, so that its peak memory is nobody else's: times
 * updates on random tokens and prints one JSON line. `train.ts` bundles it and runs it in turns
 * with a peer's program.
 */
import { parseArgs } from 'node:util';
import { cpu, measurePeak, type OperationTime } from '@cria/cpu';
import { planMemory, preset } from '@cria/layers';
import { type Batch, flopsPerToken, Trainer } from '@cria/training';
import { permute } from '@cria/tensor';

/** What a run of the child prints. */
export interface StepTimes {
  /** Of the median update. */
  readonly tokensPerSecond: number;
  readonly slowest: number;
  readonly fastest: number;
  readonly steps: number;
  readonly gflops: number;
  /** Register peak of the same threads and dtype, GFLOP/s. */
  readonly peak: number;
  readonly peakRssMib: number;
  readonly plannedMib: number;
  readonly firstLoss: number;
  /** Of one update more, where asked for: its seconds, and what kinds of commands took of it. */
  readonly profile?: { readonly seconds: number; readonly times: readonly OperationTime[] };
}

const { values } = parseArgs({
  options: {
    preset: { type: 'string', default: '15m' },
    dtype: { type: 'string', default: 'bf16' },
    batch: { type: 'string', default: '8' },
    seq: { type: 'string', default: '256' },
    threads: { type: 'string', default: '2' },
    recompute: { type: 'string', default: 'selective' },
    seconds: { type: 'string', default: '6' },
    warmup: { type: 'string', default: '2' },
    profile: { type: 'boolean', default: false },
  },
});
const [size, contextLength, threads] = [values.batch, values.seq, values.threads].map(Number) as [
  number,
  number,
  number,
];
const [dtype, recompute] = [values.dtype as 'f32' | 'bf16', values.recompute as 'selective'];
const model = preset(values.preset);
using device = cpu({ threads });
using trainer = await Trainer.open({
  device,
  model,
  dtype,
  data: { contextLength, batch },
  batchSize: size,
  totalSteps: 1000,
  recompute,
});
let firstLoss = NaN;
for (let warm = 0; warm < Number(values.warmup); warm++) {
  const { loss } = await trainer.update();
  if (warm === 0) firstLoss = loss;
}
const peak = measurePeak(threads, 'auto', dtype);
const times: number[] = [];
const end = performance.now() + Number(values.seconds) * 1000;
do {
  const start = performance.now();
  await trainer.update();
  times.push((performance.now() - start) / 1000);
} while (times.length < 3 || performance.now() < end);
times.sort((a, b) => a - b);
const tokens = size * contextLength;
const tokensPerSecond = tokens / times[times.length >> 1]!;
const segments = Array.from({ length: size + 1 }, (_, i) => i * contextLength);
const result: StepTimes = {
  tokensPerSecond,
  slowest: tokens / times.at(-1)!,
  fastest: tokens / times[0]!,
  steps: times.length,
  gflops: (tokensPerSecond * flopsPerToken(model, contextLength)) / 1e9,
  peak,
  peakRssMib: process.resourceUsage().maxRSS / 1024,
  plannedMib: planMemory(model, { rows: tokens, dtype, recompute, segments, training: true }).total / 2 ** 20,
  firstLoss,
  ...(values.profile ? { profile: await profiled() } : {}),
};
console.log(JSON.stringify(result));

async function profiled() {
  const start = performance.now();
  const times = await device.profile(() => trainer.update());
  return { seconds: (performance.now() - start) / 1000, times };
}

function batch(position: number, samples: number): Batch {
  const ids = Int32Array.from({ length: samples * contextLength }, (_, i) =>
    permute(i % model.vocabSize, model.vocabSize, position, 0),
  );
  const targets = Int32Array.from(ids, (_, i) => ids[(i + 1) % ids.length]!);
  return {
    tokens: ids,
    targets,
    segments: Int32Array.from({ length: samples + 1 }, (_, i) => i * contextLength),
  };
}
