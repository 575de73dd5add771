/*
 * Every kernel at the shapes of a training step and of decoding, beside what this machine can do at most.
 *
 *   npm run bench -- cpu [--json] [--threads 1,2] [--presets 15m,110m] [--rows 256,2048] [--isa
 *   auto,avx2] [--only linear,decode]
 *       [--milliseconds 300] [--turns 3] [--python PYTHON]
 *
 * Limits, of the same threads and instruction set: products in f32 the register peak; in bf16 the
 * peak of the unit that is best there; with quantised weights the peak of whole-number products
 * (four times f32's where bytes are multiplied by one instruction, twice on AVX2, which takes
 * three); everything that streams memory a copy between two large tensors (read and write counted);
 * decoding (1 to 16 rows by weights that lie in memory) reading memory or the peak, whichever takes
 * longer. Work and limit take turns, so often; a figure is the median of its runs, a limit what its
 * calmest moment shows. `--python` names an interpreter with PyTorch, NumPy or both, whose products
 * are timed in turn with ours (NumPy's where threadpoolctl is there too). `--only` picks the rows
 * whose name holds one of the words.
 */
import { parseArgs } from 'node:util';
import { cpu, type CpuDevice, type CpuOptions } from '@cria/cpu';
import { median, report } from '../../../scripts/support/report.ts';
import { GemmPeers } from './_gemm-peers.ts';
import { type Limit, Limits, secondsOf } from './cpu/limits.ts';
import { packedWeights } from './cpu/packed-weights.ts';
import { products } from './cpu/products.ts';
import { attention, losses } from './cpu/sequences.ts';
import { streams } from './cpu/streams.ts';
import { type Preset, presets, type Work, type Works } from './cpu/work.ts';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    threads: { type: 'string', default: '1,2' },
    presets: { type: 'string', default: '15m,110m' },
    rows: { type: 'string', default: '2048' },
    python: { type: 'string' },
    isa: { type: 'string', default: 'auto' },
    only: { type: 'string', default: '' },
    milliseconds: { type: 'string', default: '300' },
    turns: { type: 'string', default: '3' },
  },
});
type Setting = Required<Pick<CpuOptions, 'threads' | 'isa'>>;

const groups: readonly ((device: CpuDevice, preset: Preset) => Works)[] = [
  (device, preset) => products(device, preset, values.rows.split(',').map(Number)),
  attention,
  losses,
  streams,
  packedWeights,
];
const words = values.only.split(',');

const peers = values.python === undefined ? undefined : new GemmPeers(values.python);
for (const isa of values.isa.split(',') as Setting['isa'][]) {
  for (const threads of values.threads.split(',').map(Number)) {
    using limits = new Limits({ threads, isa });
    for (const name of values.presets.split(',')) await benchPreset(name, { threads, isa }, limits);
  }
}
peers?.close();

async function benchPreset(name: string, setting: Setting, limits: Limits): Promise<void> {
  const preset = presets[name];
  if (!preset)
    throw new Error(`[bench cpu] unknown preset "${name}". hint: ${Object.keys(presets).join(', ')}`);
  for (const group of groups) {
    // A device a group, so that its tensors go when the group is done.
    using device = cpu(setting);
    for (const work of group(device, preset)) {
      const title = `${name} ${work.name}`;
      if (words.some((word) => title.includes(word))) await benchWork(title, work, device, limits.of(work));
    }
  }
}

async function benchWork(title: string, work: Work, device: CpuDevice, limit: Limit): Promise<void> {
  const { seconds, best } = measure(device, work.encode, limit);
  const value = work.work / seconds / 1e9;
  const { threads } = device;
  const row = { name: `${title}, ${device.isa}`, threads, value, unit: work.unit };
  const { target } = work;
  report({ ...row, peer: limit.name, peerValue: best, target }, values.json);
  for (const { gflops, peer } of (work.peer && (await peers?.time({ ...work.peer, threads }))) ?? [])
    report({ ...row, peer, peerValue: gflops, target: 1 }, values.json);
}

/** Median seconds of a call, after one to warm up, and the best pass of its limit, in turns. */
function measure(device: CpuDevice, encode: () => void, { pass }: Limit): { seconds: number; best: number } {
  secondsOf(device, encode);
  const seconds: number[] = [];
  let best = 0;
  const turns = Number(values.turns);
  for (let turn = 0; turn < turns; turn++) {
    best = Math.max(best, pass());
    const end = performance.now() + Number(values.milliseconds) / turns;
    do seconds.push(secondsOf(device, encode));
    while (performance.now() < end && seconds.length < 1000);
  }
  return { seconds: median(seconds), best };
}
