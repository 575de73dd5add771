/*
 * llama-bench's pp512 and tg128, beside llama-bench on the same GGUF files, and several sequences
 * generated together beside llama-batched-bench. Prompts are one pass of 512 rows; generation is
 * one row a pass without sampling, logits copied out.
 *
 *   npm run bench -- llama --models FOLDER [--llama-cpp FOLDER] [--shapes 15m,110m,1.1b] [--types
 *   f32,bf16,q8_0,q4_0,q4_k_m]
 *       [--work pp,tg,batch] [--depths 0,2048,8192] [--threads 1,2] [--rounds 3] [--prompt 512]
 *       [--tokens 128] [--sequences 8]
 *       [--cache bf16] [--isa auto] [--fast-prefill] [--json]
 *
 * FOLDER of models holds `SHAPE-TYPE.gguf` (made by ../shared/peers/make_gguf.py and
 * llama-quantize); FOLDER of llama.cpp holds its programs; without it only our figures are printed.
 * Every combination of the flags is a slice of the whole table. At depth 0 the programs take turns,
 * one round each; at a depth the peer, which must compute the tokens before it, makes all its
 * rounds in one turn between ours. The cache has 16 bits on both sides.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cpu, type CpuDevice, type IsaName } from '@cria/cpu';
import { median, report } from '../../../scripts/support/report.ts';
import { best, llamaBatchedBench, llamaBench } from './_llama-cpp.ts';
import { loadLlama, Sequences } from './_llama-pass.ts';

const { values: flags } = parseArgs({
  options: {
    models: { type: 'string' },
    'llama-cpp': { type: 'string' },
    shapes: { type: 'string', default: '15m,110m,1.1b' },
    types: { type: 'string', default: 'f32,bf16,q8_0,q4_0,q4_k_m' },
    work: { type: 'string', default: 'pp,tg,batch' },
    depths: { type: 'string', default: '0,2048,8192' },
    threads: { type: 'string', default: '1,2' },
    rounds: { type: 'string', default: '3' },
    prompt: { type: 'string', default: '512' },
    tokens: { type: 'string', default: '128' },
    sequences: { type: 'string', default: '8' },
    cache: { type: 'string', default: 'bf16' },
    isa: { type: 'string', default: 'auto' },
    'fast-prefill': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const [rounds, prompt, tokens, sequences] = [flags.rounds, flags.prompt, flags.tokens, flags.sequences].map(Number) as [number, number, number, number]; // prettier-ignore
const work = new Set(flags.work.split(','));
const depths = flags.depths.split(',').map(Number);
const cacheType = flags.cache as 'f32' | 'bf16' | 'f16' | 'q8_0';
/** Tokens of each sequence before those that are generated together. */
const BATCH_PROMPT = 256;
const BATCH_TOKENS = 64;

/** Least ratio to the peer; one where no other is named. */
const targets: Record<string, number> = {
  '1.1b bf16 pp': 1.5,
  '1.1b q8_0 pp': 3,
  '1.1b q4_0 pp': 2,
  '1.1b q4_k_m pp': 2,
  '1.1b bf16 tg': 1,
  '1.1b q8_0 tg': 1.05,
  '1.1b q4_0 tg': 1.2,
  '1.1b q4_k_m tg': 1.3,
  '1.1b q4_0 tg @2048': 1.5,
  '110m bf16 tg @2048': 1.5,
  '15m f32 tg': 1.2,
  '1.1b q4_0 batch': 2,
};
const READ_TARGET = 0.85;

if (flags.models === undefined) {
  console.error(
    '[bench llama] no models were given. hint: --models FOLDER, with files such as 15m-q4_0.gguf',
  );
  process.exit(1);
}
for (const threads of flags.threads.split(',').map(Number)) {
  for (const shape of flags.shapes.split(',')) {
    for (const type of flags.types.split(',')) {
      const file = join(flags.models, `${shape}-${type}.gguf`);
      const how = flags['fast-prefill'] ? ', fast prefill' : '';
      if (existsSync(file)) await benchFile(`${shape} ${type}${how}`, file, threads);
      else console.error(`${file} is not there`);
    }
  }
}

async function benchFile(name: string, file: string, threads: number): Promise<void> {
  const isa = flags.isa as 'auto' | IsaName;
  using device = cpu({ threads, isa, fastPrefill: flags['fast-prefill'] });
  using loaded = await loadLlama(device, file, Math.max(...depths, 512) + 2 * Math.max(prompt, tokens));
  const programs = flags['llama-cpp'];
  const peer = programs === undefined ? undefined : { programs, file, threads };
  for (const depth of depths) {
    const [pp, tg] = [work.has('pp') ? prompt : 0, work.has('tg') ? tokens : 0];
    if (pp + tg === 0) continue;
    using sequence = new Sequences(loaded.model, 1, depth + Math.max(pp, tg), cacheType);
    const ours = { prompt: [] as number[], generation: [] as number[] };
    const theirs = { prompt: new Map<string, number[]>(), generation: new Map<string, number[]>() };
    if (pp > 0) await sequence.pass(pp, depth);
    await sequence.pass(1, depth);
    for (let round = 0; round < rounds; round++) {
      if (pp > 0) ours.prompt.push(pp / (await seconds(() => sequence.pass(pp, depth))));
      if (tg > 0) ours.generation.push(tg / (await seconds(() => generate(sequence, tg, depth))));
      const turn = depth === 0 || round === rounds >> 1;
      if (!peer || !turn) continue;
      const figures = llamaBench(peer, { prompt: pp, tokens: tg, depth, rounds: depth === 0 ? 1 : rounds });
      gather(theirs.prompt, figures.prompt);
      gather(theirs.generation, figures.generation);
    }
    const at = depth > 0 ? ` @${depth}` : '';
    if (pp > 0) show(`${name} pp`, pp, at, threads, ours.prompt, theirs.prompt);
    if (tg > 0) {
      show(`${name} tg`, tg, at, threads, ours.generation, theirs.generation);
      if (depth === 0) reportRead(name, threads, median(ours.generation) * loaded.bytes, readSpeed(device));
    }
  }
  if (work.has('batch')) await benchTogether(name, loaded, peer, threads);
}

/** Several sequences, each after a prompt of its own. */
async function benchTogether(
  name: string,
  { model }: Awaited<ReturnType<typeof loadLlama>>,
  peer: Parameters<typeof llamaBatchedBench>[0] | undefined,
  threads: number,
): Promise<void> {
  using together = new Sequences(model, sequences, BATCH_PROMPT + BATCH_TOKENS, cacheType);
  const ours: number[] = [];
  const theirs = new Map<string, number[]>();
  await together.pass(1, BATCH_PROMPT);
  for (let round = 0; round < rounds; round++) {
    const spent = await seconds(() => generate(together, BATCH_TOKENS, BATCH_PROMPT));
    ours.push((sequences * BATCH_TOKENS) / spent);
    if (peer)
      gather(theirs, llamaBatchedBench(peer, { sequences, prompt: BATCH_PROMPT, tokens: BATCH_TOKENS }));
  }
  show(`${name} batch`, sequences, '', threads, ours, theirs);
}

async function generate(sequence: Sequences, count: number, from: number): Promise<void> {
  for (let i = 0; i < count; i++) await sequence.pass(1, from + i);
}

function gather(all: Map<string, number[]>, more: ReadonlyMap<string, number[]>): void {
  for (const [setting, samples] of more) all.set(setting, [...(all.get(setting) ?? []), ...samples]);
}

async function seconds(run: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await run();
  return (performance.now() - start) / 1000;
}

/** Bytes a second of reading a tensor larger than any cache; a limit is what the calmest moment shows. */
function readSpeed(device: CpuDevice): number {
  const size = 1 << 26;
  const [x, out] = [device.empty([size], 'f32'), device.empty([1], 'f32')];
  device.kernels.fill(x, 1);
  const times = Array.from({ length: 12 }, () => {
    const start = performance.now();
    device.kernels.sumSquares(out, x);
    void device.flush();
    return (performance.now() - start) / 1000;
  });
  device.free(x.storage);
  device.free(out.storage);
  return (4 * size) / Math.min(...times);
}

function show(
  work: string,
  count: number,
  at: string,
  threads: number,
  ours: readonly number[],
  theirs: ReadonlyMap<string, number[]>,
): void {
  const name = `${work}${count}${at}`;
  const [value, target] = [median(ours), targets[`${work}${at}`] ?? 1];
  const chosen = theirs.size > 0 ? best(theirs) : undefined;
  const peerValue = chosen && median(chosen.samples);
  const peer = chosen && `llama.cpp ${chosen.setting}`.trim();
  const note = chosen ? `ours ${range(ours)}, theirs ${range(chosen.samples)}` : range(ours);
  report({ name, threads, value, unit: 'tokens/s', peer, peerValue, target }, flags.json, note);
}

function reportRead(work: string, threads: number, value: number, limit: number): void {
  const name = `${work} tg, weights read`;
  const [read, peerValue] = [value / 1e9, limit / 1e9];
  report(
    { name, threads, value: read, unit: 'GB/s', peer: 'memory read', peerValue, target: READ_TARGET },
    flags.json,
  );
}

function range(samples: readonly number[]): string {
  const digits = Math.max(...samples) < 100 ? 1 : 0;
  return `${Math.min(...samples).toFixed(digits)}..${Math.max(...samples).toFixed(digits)}`;
}
