/*
 * Opening, reading, writing and quantising a model of the 1.1B shape:
 *   npm run bench -- checkpoint [--json] [--small] [--folder PATH] [--keep]
 *     [--only open|read|write|quantise] [--python PYTHON with safetensors and torch]
 *     [--llama-cpp BUILD [--llama-cpp-source SOURCE]]
 *
 * Peers run in the same run, in turns, in processes that are warm. Needs some 12 GB of disk below
 * --folder (4 times the size of the model, which --small makes 24 times smaller). Medians; a row
 * that says "synced" ends when the disk has the file, for both.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { convertCheckpoint, mapWeights, openCheckpoint, saveHuggingFace } from '@cria/checkpoint';
import { GgufFile, type OutputFile, SafetensorsFile } from '@cria/checkpoint/formats';
import { cpu, nativeQuantizer } from '@cria/cpu';
import { Llama, llamaConfig } from '@cria/layers';
import { ggufVocabulary } from '@cria/tokenizer';
import { loadTokenizer } from '@cria/tokenizer/node';
import { median, report } from '../../../scripts/support/report.ts';
import { LlamaCpp, PythonPeer } from './_peer.ts';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean' },
    small: { type: 'boolean' },
    folder: { type: 'string' },
    python: { type: 'string' },
    'llama-cpp': { type: 'string' },
    'llama-cpp-source': { type: 'string' },
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
const [half, full, halfGguf] = [join(root, 'bf16'), join(root, 'f32.gguf'), join(root, 'bf16.gguf')];
const weights = join(half, 'model.safetensors');
const build = values['llama-cpp'];
const llamaCpp = build === undefined ? undefined : new LlamaCpp(build, values['llama-cpp-source']);
const ROUNDS = 5;

function show(
  name: string,
  took: number,
  peer: string,
  peerSeconds: number | undefined,
  target: number,
): void {
  const ratio = peerSeconds === undefined ? undefined : peerSeconds / took;
  const missing = peerSeconds === undefined ? `(${peer}: not here)` : '';
  report(
    { name, threads, value: took, unit: 's', peer, peerValue: peerSeconds, ratio, target },
    values.json ?? false,
    missing,
  );
}

const gigabytes = (path: string) => `${(statSync(path).size / 1e9).toFixed(1)} GB`;
const wanted = (part: string) => values.only === undefined || values.only === part;

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
}

async function medianOf(work: () => Promise<unknown>, times: number): Promise<number> {
  const all: number[] = [];
  for (let i = 0; i < times; i++) all.push(await seconds(work));
  return median(all);
}

/** Medians of ours and theirs, in turns. */
async function inTurns(
  ours: () => Promise<number>,
  theirs: (() => Promise<number>) | undefined,
  rounds = ROUNDS,
): Promise<[number, number | undefined]> {
  const [a, b]: [number[], number[]] = [[], []];
  for (let i = 0; i < rounds; i++) {
    a.push(await ours());
    if (theirs) b.push(await theirs());
  }
  return [median(a), theirs ? median(b) : undefined];
}

async function makeModels(): Promise<void> {
  if (!existsSync(full)) {
    using device = cpu();
    const model = new Llama(config, { device });
    model.parameters.allocate();
    model.parameters.initialize(1);
    await saveHuggingFace(half, config, model.parameters, { dtype: 'bf16' });
    const wide = join(root, 'f32');
    await saveHuggingFace(wide, config, model.parameters);
    await convertCheckpoint(await openCheckpoint(wide), full, { to: 'gguf' });
    rmSync(wide, { recursive: true });
  }
  if (existsSync(halfGguf)) return;
  // A vocabulary makes the header what it is in real files.
  const tokenizer = fileURLToPath(
    new URL('../../../../shared/data/tokenizer/llama.tokenizer.model', import.meta.url),
  );
  const fits = config.vocabSize === 32000 && existsSync(tokenizer);
  const vocabulary = fits
    ? { vocabulary: { files: new Map(), gguf: ggufVocabulary(await loadTokenizer(tokenizer)) } }
    : {};
  await convertCheckpoint(await openCheckpoint(half), halfGguf, { to: 'gguf', ...vocabulary });
}

async function benchOpening(): Promise<void> {
  using peer =
    values.python === undefined
      ? undefined
      : new PythonPeer(
          values.python,
          threads,
          `  path, count = what.split("|")
  took = []
  for i in range(int(count)):
    t = time.perf_counter()
    with safe_open(path, "pt") as f: f.get_tensor("model.norm.weight").sum().item()
    took.append(time.perf_counter() - t)
  return sorted(took)[len(took) // 2]`,
        );
  const openOne = async () => {
    const file = await SafetensorsFile.open(weights);
    const norm = await file.read('model.norm.weight');
    norm.reduce((sum, byte) => sum + byte, 0);
  };
  const cold = [await seconds(openOne), await peer?.seconds(`${weights}|1`)] as const;
  const theirs = peer && (() => peer.seconds(`${weights}|40`));
  const [ours, safetensors] = await inTurns(() => medianOf(openOne, 40), theirs);
  const what = `${gigabytes(weights)} of safetensors, touch a tensor`;
  show(`open ${what}, the first time in a process`, cold[0], 'safetensors', cold[1], 1);
  show(`open ${what}`, ours, 'safetensors', safetensors, 1);
  const gguf = await medianOf(async () => {
    const file = await GgufFile.open(halfGguf);
    const norm = await file.read('output_norm.weight');
    norm.reduce((sum, byte) => sum + byte, 0);
  }, 41);
  show(
    `open ${gigabytes(halfGguf)} of GGUF, touch a tensor`,
    gguf,
    'llama.cpp by mmap',
    (await openCheckpoint(halfGguf)).metadata.has('tokenizer.ggml.tokens')
      ? llamaCpp?.openModel(halfGguf, root)
      : undefined, // llama.cpp opens no model without a vocabulary
    1,
  );
}

async function benchReading(): Promise<void> {
  using device = cpu({ threads });
  const load = (mmap: boolean) => async () => {
    let weights: Disposable | undefined;
    const took = await seconds(async () => {
      const checkpoint = await openCheckpoint(full);
      const model = new Llama(checkpoint.config, { device });
      weights = await mapWeights(checkpoint, model.parameters, { mmap });
    });
    weights?.[Symbol.dispose]();
    return took;
  };
  // The peer reads as many bytes from a file of its own format: twice the one of half the size. A
  // turn is one run that is not measured, for memory that the system has given back since takes
  // longer to get than to fill, and three that are.
  using peer =
    values.python === undefined
      ? undefined
      : new PythonPeer(
          values.python,
          threads,
          `  took = []
  for i in range(4):
    t = time.perf_counter()
    w = [{k: v.clone() for k, v in load_file(what).items()} for i in range(2)]
    took.append(time.perf_counter() - t)
    del w
  return sorted(took[1:])[1]`,
        );
  const copy = async () => {
    await load(false)();
    return median([await load(false)(), await load(false)(), await load(false)()]);
  };
  const theirs = peer && (() => peer.seconds(weights));
  const [copied, cloned] = await inTurns(copy, theirs);
  show(`read ${gigabytes(full)} into the device, copied`, copied, 'safetensors + clone', cloned, 1);
  const [mapped] = await inTurns(load(true), undefined);
  show(`map ${gigabytes(full)} into the device`, mapped, 'safetensors + clone', cloned, 1);
}

async function benchWriting(): Promise<void> {
  const source = await openCheckpoint(half);
  const out = join(root, 'written');
  const ours = async () => {
    const took = await seconds(() => convertCheckpoint(source, out, { to: 'hf' }));
    rmSync(out, { recursive: true });
    return took;
  };
  const theirs = async () => {
    const dd = [`if=${weights}`, `of=${out}.dd`, `bs=${1 << 23}`, 'conv=fsync'];
    const took = await seconds(async () => spawnSync('dd', dd, { stdio: 'ignore' }));
    rmSync(`${out}.dd`);
    return took;
  };
  const [written, copied] = await inTurns(ours, theirs);
  show(`write ${gigabytes(weights)}, synced`, written, 'dd of the same bytes, fsync', copied, 0.9);
}

/** Writes a file as llama-quantize does: into the page cache, not waiting for the disk. */
async function writeUnsynced(path: string, { chunks }: OutputFile): Promise<void> {
  const file = await open(path, 'w');
  const underWay: Promise<unknown>[] = [];
  let at = 0;
  for await (const chunk of chunks()) {
    if (underWay.length > 1) await underWay.shift();
    underWay.push(file.write(chunk, 0, chunk.length, at));
    at += chunk.length;
  }
  await Promise.all(underWay);
  await file.close();
}

async function benchQuantising(): Promise<void> {
  using quantizer = nativeQuantizer({ threads });
  const source = await openCheckpoint(full);
  const parameters = `${(statSync(full).size / 4e9).toFixed(2)}B weights`;
  for (const [mix, target, rounds] of [
    ['q8_0', 2, 3],
    ['q4_0', 2, 3],
    ['q4_k_m', 1.5, 1],
  ] as const) {
    const out = join(root, `${mix}.gguf`);
    const options = { to: 'gguf', quantize: mix, ...(quantizer ? { quantizer } : {}) } as const;
    const times = {
      ours: [] as number[],
      oursSynced: [] as number[],
      theirs: [] as number[],
      sync: [] as number[],
    };
    for (let i = 0; i < rounds; i++) {
      times.ours.push(
        await seconds(() => convertCheckpoint(source, out, options, (file) => writeUnsynced(out, file))),
      );
      rmSync(out);
      times.oursSynced.push(await seconds(() => convertCheckpoint(source, out, options)));
      rmSync(out);
      if (!llamaCpp) continue;
      const [quantised, synced] = await llamaCpp.quantise(full, out, mix, threads);
      times.theirs.push(quantised);
      times.sync.push(quantised + synced);
      rmSync(out);
    }
    const theirs = (all: readonly number[]) => (all.length > 0 ? median(all) : undefined);
    const name = `quantise ${parameters} to ${mix}`;
    show(name, median(times.ours), 'llama-quantize', theirs(times.theirs), target);
    show(`${name}, synced`, median(times.oursSynced), 'llama-quantize + sync', theirs(times.sync), target);
  }
}

await makeModels();
if (wanted('open')) await benchOpening();
if (wanted('read')) await benchReading();
if (wanted('write')) await benchWriting();
if (wanted('quantise')) await benchQuantising();
if (!values.keep) rmSync(root, { recursive: true });
