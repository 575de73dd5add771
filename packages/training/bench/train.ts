/*
 * A whole training step (forward, loss, backward, clip, AdamW): tokens a second in f32 and bf16, as
 * a share of the register peak, and peak memory; beside PyTorch where a script is given that prints
 * {"tokens_per_s", "peak_rss_mib"}, run in turns with ours. The peer's best configuration counts:
 * eager or compiled, f32 or bf16.
 *
 *   npm run bench -- train [--json] [--presets 15m,110m] [--threads 1,2] [--dtypes f32,bf16]
 *                          [--rounds 3] [--seconds 6] [--memory]
 *                          [--profile]   what kinds of commands took of one update more of each configuration
 *                          [--python PYTHON --script torch_train.py]
 *                          [--peers bf16:compile,bf16:eager,f32:compile,f32:eager]
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bundle } from '../../../scripts/support/bundle.ts';
import { median, report, type Row } from '../../../scripts/support/report.ts';
import type { StepTimes } from './_step.ts';

interface Shape {
  readonly preset: string;
  readonly batch: number;
  readonly seq: number;
}
const shapes: Record<string, Shape> = {
  '15m': { preset: '15m', batch: 8, seq: 256 },
  '110m': { preset: '110m', batch: 4, seq: 512 },
};
/** Where memory is compared. */
const large: Shape = { preset: '110m', batch: 8, seq: 512 };

/** glibc keeps freed memory, on huge pages: worth more to PyTorch than any other setting. */
const tunables =
  'glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=16000000000:glibc.malloc.to' +
  'p_pad=1000000000';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    presets: { type: 'string', default: '15m,110m' },
    threads: { type: 'string', default: '1,2' },
    dtypes: { type: 'string', default: 'f32,bf16' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '6' },
    recompute: { type: 'string', default: 'selective' },
    memory: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
    python: { type: 'string' },
    script: { type: 'string' },
    peers: { type: 'string', default: 'bf16:compile,bf16:eager,f32:compile,f32:eager' },
  },
});
const { python, script } = values;
const dtypes = values.dtypes.split(',');
/** `dtype:mode` of the peer. */
const peers = python && script ? values.peers.split(',') : [];
const folder = mkdtempSync(join(tmpdir(), 'cria-bench-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const child = await bundle(new URL('_step.ts', import.meta.url), folder);

for (const name of values.presets.split(',').filter(Boolean)) {
  for (const threads of values.threads.split(',').map(Number)) speed(shapes[name]!, threads);
}
if (values.memory) for (const threads of [2]) memory(large, threads);

/** Rounds of every configuration in turns; the median of each. */
function speed(shape: Shape, threads: number): void {
  const [ours, theirs] = [collect(dtypes), collect(peers)];
  let last: Record<string, StepTimes> = {};
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const dtype of dtypes) {
      const times = step(shape, threads, dtype);
      ours[dtype]!.push(times.tokensPerSecond);
      last = { ...last, [dtype]: times };
    }
    for (const peer of peers) theirs[peer]!.push(torch(shape, threads, peer).tokens_per_s);
  }
  const label = `train ${shape.preset} B=${shape.batch} T=${shape.seq}`;
  for (const dtype of dtypes) {
    if (values.profile) reportProfile(`${label} ${dtype}`, threads, last[dtype]!);
    const value = median(ours[dtype]!);
    const same = bestOf(theirs, dtype);
    const target = dtype === 'f32' ? 1.2 : undefined;
    report({ name: `${label} ${dtype}`, threads, value, unit: 'tokens/s', ...same, target }, values.json);
    const { gflops, tokensPerSecond, peak, peakRssMib, plannedMib } = last[dtype]!;
    const products = (value * gflops) / tokensPerSecond;
    report(
      {
        name: `${label} ${dtype}, use`,
        threads,
        value: products,
        unit: 'GFLOP/s',
        peer: `${dtype} register peak`,
        peerValue: peak,
      },
      values.json,
    );
    report(
      {
        name: `${label} ${dtype}, peak memory`,
        threads,
        value: peakRssMib,
        unit: 'MiB',
        peer: 'memory plan',
        peerValue: plannedMib,
      },
      values.json,
    );
  }
  const value = Math.max(...dtypes.map((dtype) => median(ours[dtype]!)));
  if (peers.length > 0)
    report(
      { name: `${label}, best`, threads, value, unit: 'tokens/s', ...bestOf(theirs, ''), target: 1.3 },
      values.json,
    );
}

/** Kinds of commands by what they took of an update, and what was left to JavaScript. */
function reportProfile(label: string, threads: number, { profile }: StepTimes): void {
  if (!profile) return;
  const rows = profile.times.map(({ operation, dtype, shape, commands, seconds }) => ({
    name: `${label}, ${operation} ${dtype} ${shape}`.trimEnd(),
    seconds,
    commands,
  }));
  const native = rows.reduce((sum, { seconds }) => sum + seconds, 0);
  rows.push({ name: `${label}, outside commands`, seconds: profile.seconds - native, commands: 0 });
  for (const { name, seconds, commands } of rows) {
    const share = (100 * seconds) / profile.seconds;
    if (values.json)
      console.log(JSON.stringify({ name, threads, value: 1e6 * seconds, unit: 'µs', commands }));
    else
      console.log(
        `${name.padEnd(64)} ${threads}T ${(1e6 * seconds).toFixed(0).padStart(9)} µs ` +
          `${share.toFixed(1).padStart(5)} % ${String(commands).padStart(5)} commands`,
      );
  }
}

/** Peak resident memory of each side's process, of the configurations that are fastest. */
function memory(shape: Shape, threads: number): void {
  for (const dtype of dtypes) {
    const ours = step(shape, threads, dtype);
    const theirs = peers
      .filter((peer) => peer.startsWith(dtype))
      .map((peer) => ({ peer, ...torch(shape, threads, peer) }))
      .sort((a, b) => b.tokens_per_s - a.tokens_per_s)[0];
    report(
      {
        name: `train ${shape.preset} B=${shape.batch} T=${shape.seq} ${dtype} ${values.recompute}, peak memory, at most`,
        threads,
        value: ours.peakRssMib,
        unit: 'MiB',
        peer: theirs && `PyTorch ${theirs.peer}`,
        peerValue: theirs?.peak_rss_mib,
        target: 0.6,
      },
      values.json,
    );
    report(
      {
        name: `train ${shape.preset} B=${shape.batch} T=${shape.seq} ${dtype}`,
        threads,
        value: ours.tokensPerSecond,
        unit: 'tokens/s',
        peer: theirs && `PyTorch ${theirs.peer}`,
        peerValue: theirs?.tokens_per_s,
      },
      values.json,
    );
  }
}

function step({ preset, batch, seq }: Shape, threads: number, dtype: string): StepTimes {
  const options = {
    preset,
    batch,
    seq,
    threads,
    dtype,
    recompute: values.recompute,
    seconds: values.seconds,
  };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  if (values.profile) args.push('--profile');
  const printed = execFileSync(process.execPath, [child, ...args], {
    encoding: 'utf8',
  });
  return JSON.parse(printed.trim().split('\n').at(-1)!) as StepTimes;
}

interface TorchTimes {
  readonly tokens_per_s: number;
  readonly peak_rss_mib: number;
}

function torch({ preset, batch, seq }: Shape, threads: number, peer: string): TorchTimes {
  const [dtype, mode] = peer.split(':');
  const options = { preset, batch, seq, threads, dtype, seconds: values.seconds, steps: 50 };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const printed = execFileSync(python!, [script!, ...args, ...(mode === 'compile' ? ['--compile'] : [])], {
    encoding: 'utf8',
    env: { ...process.env, OMP_NUM_THREADS: String(threads), GLIBC_TUNABLES: tunables },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return JSON.parse(printed.trim().split('\n').at(-1)!) as TorchTimes;
}

function collect(names: readonly string[]): Record<string, number[]> {
  return Object.fromEntries(names.map((name) => [name, []]));
}

/** The fastest of the peer's configurations whose name begins so. */
function bestOf(theirs: Record<string, number[]>, prefix: string): Pick<Row, 'peer' | 'peerValue'> {
  const [best] = Object.entries(theirs)
    .filter(([name]) => name.startsWith(prefix))
    .map(([name, runs]) => ({ peer: `PyTorch ${name}`, peerValue: median(runs) }))
    .sort((a, b) => b.peerValue - a.peerValue);
  return best ?? { peer: undefined, peerValue: undefined };
}
