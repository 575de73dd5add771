/*
 * Where the time of a training step goes: every command of the list run by itself, summed by operation.
 *
 *   npm run bench -- train-profile [--preset 15m] [--batch 8] [--seq 256] [--dtype bf16] [--threads 2] [--steps 3] [--by-shape]
 */
import { parseArgs } from 'node:util';
import { preset } from '@cria/layers';
import { type Batch, Trainer } from '@cria/training';
import { permute } from '@cria/tensor';
import { CpuDevice } from '../../cpu/src/device.ts';
import { loadNative, type Native } from '../../cpu/src/native.ts';

const { values } = parseArgs({
  options: {
    preset: { type: 'string', default: '15m' },
    batch: { type: 'string', default: '8' },
    seq: { type: 'string', default: '256' },
    dtype: { type: 'string', default: 'bf16' },
    threads: { type: 'string', default: '2' },
    steps: { type: 'string', default: '3' },
    'by-shape': { type: 'boolean', default: false },
  },
});
const [batchSize, contextLength] = [Number(values.batch), Number(values.seq)];
const model = preset(values.preset);

interface Share {
  seconds: number;
  calls: number;
  flops: number;
}
const shares = new Map<string, Share>();
const { native, reason } = loadNative();
if (!native) throw new Error(reason);
const operations = native.operations;
const dtypes = ['f32', 'bf16', 'f16'];

/** The native file, with every command timed. */
const timed: Native = {
  ...native,
  operations,
  isas: native.isas,
  run(list, length, threads, isa) {
    for (let at = 0; at < length; at += list[at + 1]!) {
      const command = list.slice(at, at + list[at + 1]!);
      const start = performance.now();
      const refused = native.run(command, command.length, threads, isa);
      if (refused >= 0) return at;
      note(command, (performance.now() - start) / 1000);
    }
    return -1;
  },
};

function note(command: Float64Array, seconds: number): void {
  const code = command[0]!;
  const operation = operations[code % operations.length]!;
  let key = `${operation} ${dtypes[Math.floor(code / operations.length)]}`;
  let flops = 0;
  if (operation === 'gemm') {
    const [rows, columns, k] = command.subarray(10, 13) as unknown as [number, number, number];
    const form = command[17] === 1 ? 'gradWeight' : command[18] === 0 ? 'packed' : 'along';
    flops = 2 * rows * columns * k;
    key += values['by-shape'] ? ` ${form} ${rows}x${columns}x${k}` : ` ${form}`;
  }
  if (operation === 'packPanels' && values['by-shape'])
    key += ` ${command[9] === 1 ? 'along' : 'across'} ${command[6]}x${command[7]}`;
  const share = shares.get(key) ?? { seconds: 0, calls: 0, flops: 0 };
  share.seconds += seconds;
  share.calls++;
  share.flops += flops;
  shares.set(key, share);
}

using device = new CpuDevice({
  native: timed,
  isa: native.isas.findIndex((isa) => isa.available),
  threads: Number(values.threads),
  background: false,
});
using trainer = await Trainer.open({
  device,
  model,
  dtype: values.dtype as 'bf16',
  data: { contextLength, batch },
  batchSize,
  totalSteps: 1000,
});
await trainer.update();
await trainer.update();
shares.clear();
const steps = Number(values.steps);
const start = performance.now();
for (let i = 0; i < steps; i++) await trainer.update();
const wall = (performance.now() - start) / 1000 / steps;
console.log(
  `${(1000 * wall).toFixed(1)} ms a step, ${((batchSize * contextLength) / wall).toFixed(0)} tokens/s`,
);
for (const [key, { seconds, calls, flops }] of [...shares].sort((a, b) => b[1].seconds - a[1].seconds)) {
  const rate = flops > 0 ? `${(flops / seconds / 1e9).toFixed(0)} GFLOP/s` : '';
  console.log(
    `${key.padEnd(48)} ${((1000 * seconds) / steps).toFixed(2).padStart(8)} ms ${((100 * seconds) / steps / wall).toFixed(1).padStart(5)} %  ${String(calls / steps).padStart(5)}  ${rate}`,
  );
}

function batch(position: number, size: number): Batch {
  const tokens = Int32Array.from({ length: size * contextLength }, (_, i) =>
    permute(i % model.vocabSize, model.vocabSize, position, 0),
  );
  const targets = Int32Array.from(tokens, (_, i) => tokens[(i + 1) % tokens.length]!);
  return { tokens, targets, segments: Int32Array.from({ length: size + 1 }, (_, i) => i * contextLength) };
}
