/*
 * A whole training step (forward, loss, backward, clip, AdamW), in tokens a second and as a share of the register peak of the same
 * threads, beside the memory plan.
 *
 *   npm run bench -- train [--json] [--presets 15m,110m] [--threads 1,2] [--seconds 20]
 *                          [--python PYTHON --script torch_train.py]      a PyTorch script that prints {"tokens_per_s": …}, run in turns
 */
import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { cpu, measurePeak } from '@cria/cpu';
import { planMemory, preset } from '@cria/layers';
import { type Batch, flopsPerToken, Trainer } from '@cria/training';
import { permute } from '@cria/tensor';

const shapes: Record<string, { readonly batchSize: number; readonly contextLength: number }> = {
  '15m': { batchSize: 8, contextLength: 256 },
  '110m': { batchSize: 4, contextLength: 512 },
};

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    presets: { type: 'string', default: '15m,110m' },
    threads: { type: 'string', default: '1,2' },
    seconds: { type: 'string', default: '20' },
    rounds: { type: 'string', default: '3' },
    recompute: { type: 'string', default: 'selective' },
    python: { type: 'string' },
    script: { type: 'string' },
  },
});

for (const name of values.presets.split(',')) {
  for (const threads of values.threads.split(',').map(Number)) await bench(name, threads);
}

async function bench(name: string, threads: number): Promise<void> {
  const { batchSize, contextLength } = shapes[name]!;
  const model = preset(name);
  const flops = flopsPerToken(model, contextLength);
  const ours: number[] = [];
  const theirs: number[] = [];
  const peaks: number[] = [];
  let rss = 0;
  {
    using device = cpu({ threads });
    const recompute = values.recompute as 'selective';
    using trainer = await Trainer.open({
      device,
      model,
      data: { contextLength, batch },
      batchSize,
      totalSteps: 1000,
      recompute,
    });
    for (let warm = 0; warm < 2; warm++) await trainer.update();
    for (let round = 0; round < Number(values.rounds); round++) {
      peaks.push(measurePeak(threads));
      ours.push(
        await tokensPerSecond(
          trainer,
          Number(values.seconds) / Number(values.rounds),
          batchSize * contextLength,
        ),
      );
      if (values.python && values.script) theirs.push(torch(name, batchSize, contextLength, threads));
    }
    rss = process.memoryUsage().rss;
    report({
      name: `train ${name} B=${batchSize} T=${contextLength} f32`,
      threads,
      value: median(ours),
      unit: 'tokens/s',
      peer: 'PyTorch',
      peerValue: theirs.length ? median(theirs) : undefined,
      target: 1.2,
    });
    report({
      name: `train ${name} products`,
      threads,
      value: (median(ours) * flops) / 1e9,
      unit: 'GFLOP/s',
      peer: 'f32 register peak',
      peerValue: median(peaks),
      target: 0.5,
    });
    const segments = Array.from({ length: batchSize + 1 }, (_, i) => i * contextLength);
    const plan = planMemory(model, { rows: batchSize * contextLength, recompute, segments, training: true });
    report({
      name: `train ${name} resident memory`,
      threads,
      value: rss / 1e6,
      unit: 'MB',
      peer: 'memory plan',
      peerValue: plan.total / 1e6,
      target: 1.3,
    });
  }

  function batch(position: number, size: number): Batch {
    const tokens = Int32Array.from({ length: size * contextLength }, (_, i) =>
      permute(i % model.vocabSize, model.vocabSize, position, 0),
    );
    const targets = Int32Array.from(tokens, (_, i) => tokens[(i + 1) % tokens.length]!);
    return { tokens, targets, segments: Int32Array.from({ length: size + 1 }, (_, i) => i * contextLength) };
  }
}

async function tokensPerSecond(trainer: Trainer, seconds: number, tokens: number): Promise<number> {
  const times: number[] = [];
  const end = performance.now() + seconds * 1000;
  do {
    const start = performance.now();
    await trainer.update();
    times.push(performance.now() - start);
  } while (performance.now() < end);
  return (tokens / median(times)) * 1000;
}

function torch(name: string, batch: number, context: number, threads: number): number {
  const args = [
    values.script!,
    '--preset',
    name,
    '--batch',
    String(batch),
    '--seq',
    String(context),
    '--dtype',
    'f32',
    '--threads',
    String(threads),
  ];
  const printed = execFileSync(values.python!, args, {
    encoding: 'utf8',
    env: { ...process.env, OMP_NUM_THREADS: String(threads) },
  });
  return (JSON.parse(printed.trim().split('\n').at(-1)!) as { tokens_per_s: number }).tokens_per_s;
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1]!;
}

interface Row {
  readonly name: string;
  readonly threads: number;
  readonly value: number;
  readonly unit: string;
  readonly peer: string;
  readonly peerValue: number | undefined;
  readonly target: number;
}

function report(row: Row): void {
  const ratio = row.peerValue === undefined ? undefined : row.value / row.peerValue;
  if (values.json) {
    console.log(JSON.stringify({ ...row, ratio }));
    return;
  }
  const against =
    row.peerValue === undefined ? '' : `${ratio!.toFixed(2)} of ${row.peerValue.toFixed(0)} (${row.peer})`;
  console.log(
    `${row.name.padEnd(36)} ${row.threads}T  ${row.value.toFixed(0).padStart(8)} ${row.unit.padEnd(9)} ${against}`,
  );
}
