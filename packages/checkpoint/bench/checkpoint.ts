/*
 * Opening, reading, writing and quantising a model of the 1.1B shape: npm run bench -- checkpoint [--json] [--small] [--folder PATH]
 *   [--python PYTHON with safetensors and torch] [--llama-cpp BUILD]
 * Peers run in the same run, in turns. Needs some 12 GB of disk below --folder (4 times the size of the model, which --small makes 24 times smaller).
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  convertCheckpoint,
  mapWeights,
  openCheckpoint,
  saveHuggingFace,
  SafetensorsFile,
} from '@cria/checkpoint';
import { cpu, nativeQuantizer } from '@cria/cpu';
import { Llama, llamaConfig } from '@cria/layers';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean' },
    small: { type: 'boolean' },
    folder: { type: 'string' },
    python: { type: 'string' },
    'llama-cpp': { type: 'string' },
    keep: { type: 'boolean' },
    only: { type: 'string' },
  },
});
const threads = availableParallelism();
const shape = values.small
  ? { dim: 768, nLayers: 6, nHeads: 12, nKvHeads: 4, ffnDim: 2048, vocabSize: 4096 }
  : { dim: 2048, nLayers: 22, nHeads: 32, nKvHeads: 4, ffnDim: 5632, vocabSize: 32000 };
const config = llamaConfig(shape);
const root = values.folder ?? mkdtempSync(join(tmpdir(), 'cria-bench-'));
const [half, full] = [join(root, 'bf16'), join(root, 'f32.gguf')];

interface Row {
  readonly name: string;
  readonly threads: number;
  readonly value: number;
  readonly unit: string;
  readonly peer: string | undefined;
  readonly peerValue: number | undefined;
  readonly ratio: number | undefined;
  readonly target: number;
}

function show(
  name: string,
  seconds: number,
  peer: string,
  peerSeconds: number | undefined,
  target: number,
): void {
  const ratio = peerSeconds === undefined ? undefined : peerSeconds / seconds;
  const row: Row = { name, threads, value: seconds, unit: 's', peer, peerValue: peerSeconds, ratio, target };
  if (values.json) console.log(JSON.stringify(row));
  else
    console.log(
      `${name.padEnd(44)} ${seconds.toFixed(3).padStart(8)} s   ${peer} ${peerSeconds === undefined ? '(not here)' : `${peerSeconds.toFixed(3)} s`}   ${ratio === undefined ? '' : `${ratio.toFixed(2)} × (at least ${target})`}`,
    );
}

async function time(work: () => Promise<unknown>, repeat = 3): Promise<number> {
  let best = Infinity;
  for (let i = 0; i < repeat; i++) {
    const began = performance.now();
    await work();
    best = Math.min(best, (performance.now() - began) / 1000);
  }
  return best;
}

/** Seconds that a Python program prints, or undefined where there is no Python with torch. */
function python(program: string): number | undefined {
  if (values.python === undefined) return undefined;
  const result = spawnSync(values.python, ['-c', program], { encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`[bench] ${result.stderr}`);
  return Number(result.stdout.trim());
}

async function makeModels(): Promise<void> {
  if (existsSync(full)) return;
  using device = cpu();
  const model = new Llama(config, { device });
  model.parameters.allocate();
  model.parameters.initialize(1);
  await saveHuggingFace(half, config, model.parameters, { dtype: 'BF16' });
  const wide = join(root, 'f32');
  await saveHuggingFace(wide, config, model.parameters);
  await convertCheckpoint(await openCheckpoint(wide), full, { to: 'gguf' });
  rmSync(wide, { recursive: true });
}

async function benchReading(): Promise<void> {
  const path = join(half, 'model.safetensors');
  const gigabytes = `${(statSync(path).size / 1e9).toFixed(1)} GB`;
  const opened = await time(async () => {
    const file = await SafetensorsFile.open(path);
    await file.read('model.norm.weight');
  });
  const openPeer = python(`
import time
from safetensors import safe_open
best = 9
for i in range(3):
    t = time.perf_counter()
    with safe_open("${path}", "pt") as f: f.get_tensor("model.norm.weight").sum().item()
    best = min(best, time.perf_counter() - t)
print(best)`);
  show(`open ${gigabytes} of safetensors, touch a tensor`, opened, 'safetensors', openPeer, 1);

  using device = cpu();
  const read = await time(async () => {
    const checkpoint = await openCheckpoint(full);
    const model = new Llama(checkpoint.config, { device });
    const weights = await mapWeights(checkpoint, model.parameters, { mmap: false });
    weights[Symbol.dispose]();
  });
  const bytes = `${(statSync(full).size / 1e9).toFixed(1)} GB`;
  // The peer reads as many bytes from a file of its own format.
  const readPeer = python(`
import time, torch
from safetensors.torch import load_file
best = 99
for i in range(3):
    t = time.perf_counter()
    w = {k: v.clone() for k, v in load_file("${path}").items()}
    best = min(best, time.perf_counter() - t); del w
print(best * ${statSync(full).size} / ${statSync(path).size})`);
  show(`read ${bytes} into the device, copied`, read, 'safetensors + clone', readPeer, 1);
  const mapped = await time(async () => {
    const checkpoint = await openCheckpoint(full);
    const model = new Llama(checkpoint.config, { device });
    const weights = await mapWeights(checkpoint, model.parameters);
    weights[Symbol.dispose]();
  });
  show(`map ${bytes} into the device`, mapped, 'safetensors + clone', readPeer, 1);
}

async function benchWriting(): Promise<void> {
  const source = await openCheckpoint(half);
  const out = join(root, 'written');
  const size = statSync(join(half, 'model.safetensors')).size;
  let [ours, theirs] = [Infinity, Infinity];
  for (let i = 0; i < 3; i++) {
    ours = Math.min(ours, await time(() => convertCheckpoint(source, out, { to: 'hf' }), 1));
    rmSync(out, { recursive: true });
    const began = performance.now();
    const block = 1 << 23;
    const dd = [`if=${join(half, 'model.safetensors')}`, `of=${out}.dd`, `bs=${block}`, 'conv=fsync'];
    spawnSync('dd', dd, { stdio: 'ignore' });
    theirs = Math.min(theirs, (performance.now() - began) / 1000);
    rmSync(`${out}.dd`);
  }
  show(`write ${(size / 1e9).toFixed(1)} GB, synced`, ours, 'dd of the same bytes, fsync', theirs, 0.9);
}

async function benchQuantising(): Promise<void> {
  const build = values['llama-cpp'];
  using quantizer = nativeQuantizer({ threads });
  for (const [mix, target] of [
    ['Q8_0', 2],
    ['Q4_0', 2],
    ['Q4_K_M', 1.5],
  ] as const) {
    const out = join(root, `${mix}.gguf`);
    const source = await openCheckpoint(full);
    const options = { to: 'gguf', quantize: mix, ...(quantizer ? { quantizer } : {}) } as const;
    const ours = await time(() => convertCheckpoint(source, out, options), 2);
    rmSync(out);
    let theirs: number | undefined;
    if (build !== undefined) {
      const environment = { ...process.env, LD_LIBRARY_PATH: join(build, 'bin') };
      const began = performance.now();
      const result = spawnSync(join(build, 'bin/llama-quantize'), [full, out, mix, String(threads)], {
        env: environment,
        encoding: 'utf8',
      });
      if (result.status !== 0) throw new Error(`[bench] llama-quantize: ${result.stderr.slice(-500)}`);
      theirs = (performance.now() - began) / 1000;
      rmSync(out);
    }
    show(
      `quantise ${(statSync(full).size / 4e9).toFixed(2)}B weights to ${mix}`,
      ours,
      'llama-quantize',
      theirs,
      target,
    );
  }
}

await makeModels();
if (values.only === undefined || values.only === 'read') await benchReading();
if (values.only === undefined || values.only === 'write') await benchWriting();
if (values.only === undefined || values.only === 'quantise') await benchQuantising();
if (!values.keep) rmSync(root, { recursive: true });
