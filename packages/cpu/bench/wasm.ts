/*
 * The wasm form in headless Chromium, one engine for all, beside what else multiplies matrices there.
 *
 *   npm run bench -- wasm [--json] [--threads 1,2] [--sizes 512,1024] [--peers FOLDER] [--install]
 *
 * `--install` puts the peers (TensorFlow.js with its wasm backend, onnxruntime-web, jax-js) into
 * the folder, default packages/cpu/build/wasm-peers; without them products stand beside the
 * register peak alone. Medians of interleaved turns: every participant computes f32 y = x·w of n by
 * n in one worker, with its threads. Ours reads the weight as it lies, as in training; decoding
 * reads packed weights.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { buildWasm } from '../scripts/build-wasm.mjs';
import { report } from '../../../scripts/support/report.ts';
import { fixedSources } from '../scripts/sources.mjs';
import { launch, noBrowser, resultOf, serve, type Site } from '../test/support/browser.ts';
import type { Measured } from './wasm/page.ts';
import { peerFiles, peerPackages, peers } from './wasm/peers.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    threads: { type: 'string', default: '1,2' },
    sizes: { type: 'string', default: '512,1024' },
    peers: { type: 'string', default: here('../build/wasm-peers') },
    install: { type: 'boolean', default: false },
  },
});

function fail(problem: string): never {
  console.error(`[bench wasm] ${problem}`);
  process.exit(1);
}

if (noBrowser) fail(noBrowser);
const { problem } = await buildWasm();
if (problem) fail(problem);
if (values.install) install();

const modules = join(values.peers, 'node_modules');
const present = existsSync(modules) ? Object.keys(peers) : [];
if (present.length === 0 && !values.json)
  console.log(`no peers in ${values.peers}: --install puts them there`);
const site = await makeSite();
const served = await serve(site, true);
const browser = await launch();
for (const threads of values.threads.split(',').map(Number)) {
  const page = await browser.newPage();
  const url = `${served.url}?threads=${threads}&sizes=${values.sizes}&peers=${present.join(',')}`;
  const measured = (await resultOf(page, url, 180_000)) as Measured[] | string;
  await page.close();
  if (typeof measured === 'string') fail(measured);
  reportAll(measured, threads);
}
await browser.close();
await served.close();

function install(): void {
  mkdirSync(values.peers, { recursive: true });
  const manifest = { private: true, dependencies: peerPackages };
  writeFileSync(join(values.peers, 'package.json'), `${JSON.stringify(manifest)}\n`);
  const npm = spawnSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: values.peers,
    stdio: ['ignore', values.json ? 'ignore' : 'inherit', 'inherit'],
  });
  if (npm.status !== 0) fail(`npm install ended with status ${npm.status}`);
}

async function makeSite(): Promise<Site> {
  const files = (path: keyof typeof peerFiles): [string, { file: string }][] => {
    const folder = join(modules, peerFiles[path]);
    return readdirSync(folder).map((name) => [path + name, { file: join(folder, name) }]);
  };
  return {
    '/':
      '<!doctype html><link rel="icon" href="data:,"><script type="module">' +
      'const worker = new Worker("/page.js" + location.search, { type: "module" });' +
      'worker.onmessage = ({ data }) => (window.result = data);' +
      'worker.onerror = ({ message }) => (window.result = message ?? "the worker did not start");' +
      '</script>',
    '/page.js': await bundled({ entryPoints: [here('wasm/page.ts')], external: ['/peer-*'] }),
    '/cria-cpu.wasm': { file: here('../build/cria-cpu.wasm') },
    ...Object.fromEntries(
      await Promise.all(
        present.map(async (name) => [
          `/peer-${name}.js`,
          await bundled({
            stdin: { contents: peers[name]!, resolveDir: values.peers },
            alias: { 'cria-onnx': here('wasm/onnx.ts') },
          }),
        ]),
      ),
    ),
    ...(present.length > 0 && Object.fromEntries([...files('/tfjs/'), ...files('/ort/')])),
  };
}

async function bundled(options: Parameters<typeof build>[0]): Promise<string> {
  const { outputFiles } = await build({
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    platform: 'browser',
    conditions: ['@cria/source'],
    external: ['fs', 'os', 'path', 'worker_threads', 'perf_hooks'],
    plugins: [fixedSources],
    banner: { js: 'Symbol.dispose ??= Symbol("dispose"); Symbol.asyncDispose ??= Symbol("asyncDispose");' },
    logLevel: 'error',
    ...options,
  });
  return outputFiles![0]!.text;
}

function reportAll(measured: readonly Measured[], threads: number): void {
  const of = (name: string, by?: string) =>
    measured.filter((row) => row.name === name && (by === undefined || row.by === by));
  const [peak, read] = [of('peak')[0]!.value, of('read')[0]!.value];
  for (const n of values.sizes.split(',')) {
    const ours = of(`product ${n}`, 'ours')[0]!.value;
    const others = of(`product ${n}`).filter(({ by }) => by !== 'ours');
    const name = `f32 product ${n}x${n}x${n}`;
    for (const { by, value } of others)
      report(
        { name, threads, value: ours, unit: 'GFLOP/s', peer: by, peerValue: value, target: 1.2 },
        values.json,
      );
    report(
      { name, threads, value: ours, unit: 'GFLOP/s', peer: 'wasm peak', peerValue: peak, target: 0.82 },
      values.json,
    );
  }
  for (const { name, value } of measured.filter((row) => row.name.startsWith('decode')))
    report(
      { name, threads, value, unit: 'GB/s', peer: 'memory read', peerValue: read, target: 0.85 },
      values.json,
    );
}
