/*
 * Choosing tokens from logits: milliseconds a token by the device's kernel, beside the plain
 * samplers and, with `--llama LIBLLAMA.so`, beside llama.cpp's own chain, over the same rows in the
 * same run. Rows are flat (normal, deviation 1: a nucleus of most ids) or peaked (6: of few).
 *
 *   npm run bench -- sample [--json] [--threads 2] [--vocabularies 512,32000,128256]
 *     [--sequences 1,16] [--rounds 9] [--llama LIBLLAMA.so]
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { cpu } from '@cria/cpu';
import { resolveSampling, Sampler, type SamplingOptions } from '@cria/inference';
import { normals, openStep } from '@cria/tensor';
import { median, report } from '../../../scripts/support/report.ts';
import { encodeSample } from '../src/sample/device-sampler.ts';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    threads: { type: 'string', default: '2' },
    vocabularies: { type: 'string', default: '512,32000,128256' },
    sequences: { type: 'string', default: '1,16' },
    rounds: { type: 'string', default: '9' },
    llama: { type: 'string' },
  },
});
const threads = Number(values.threads);
const rounds = Number(values.rounds);

/** The chains of bench/llama-sampler.cc. */
const chains: Readonly<Record<string, SamplingOptions>> = {
  greedy: { temperature: 0 },
  temperature: { temperature: 0.8 },
  'top-p': { topP: 0.95 },
  'top-k': { topK: 40 },
  all: { topK: 40, topP: 0.95, minP: 0.05, temperature: 0.8, samplers: 'llama.cpp' },
  penalties: { repetitionPenalty: 1.1 },
};

const folder = mkdtempSync(join(tmpdir(), 'sample-'));
const program = values.llama && compile();
using device = cpu({ threads });
try {
  for (const V of values.vocabularies.split(',').map(Number))
    for (const S of values.sequences.split(',').map(Number))
      for (const [shape, std] of [
        ['flat', 1],
        ['peaked', 6],
      ] as const)
        await bench(V, S, shape, std);
} finally {
  rmSync(folder, { recursive: true });
}

function compile(): string {
  const output = join(folder, 'llama-sampler');
  const source = fileURLToPath(new URL('llama-sampler.cc', import.meta.url));
  execFileSync('c++', ['-O2', '-std=c++17', source, '-o', output, '-ldl']);
  return output;
}

async function bench(V: number, S: number, shape: string, std: number): Promise<void> {
  const rows = new Float32Array(S * V);
  normals({ seed: V, stream: S, start: 0, std }, rows);
  const file = join(folder, 'rows.f32');
  writeFileSync(file, rows);
  const logits = device.tensor(rows, [S, V], 'f32');
  const sampler = new Sampler(V);
  for (const [name, options] of Object.entries(chains)) {
    const sampling = resolveSampling('bench', { seed: 1, ...options });
    const histories = Array.from({ length: S }, () => ({
      ids: Array.from({ length: 2000 }, (_, i) => (i * 7919) % V),
      promptLength: 1000,
    }));
    const plain = () => {
      for (let s = 0; s < S; s++) sampler.sample(rows.subarray(s * V, (s + 1) * V), sampling, histories[s]!);
    };
    const onDevice = async () => {
      using step = openStep(device, { rows: S });
      const asked = histories.map((history) => sampler.deviceRows(sampling, history, {}, 1)?.[0]);
      await encodeSample(step, logits, asked, V).read();
    };
    const [fast, slow]: [number[], number[]] = [[], []];
    for (let round = 0; round <= rounds; round++) {
      const [kernel, host] = [await timed(onDevice), await timed(plain)];
      if (round === 0) continue; // what is made once
      fast.push(kernel / S);
      slow.push(host / S);
    }
    const value = median(fast);
    const row = {
      name: `sample ${name}, ${V} ids, ${shape}, ${S} together`,
      threads,
      value,
      unit: 'ms/token',
    };
    const beside = (peer: string, peerValue: number) =>
      report({ ...row, peer, peerValue, ratio: peerValue / value }, values.json);
    beside('plain', median(slow));
    if (program && values.llama) {
      const settings = [values.llama, file, V, rounds, name].map(String);
      beside('llama.cpp', Number(execFileSync(program, settings, { encoding: 'utf8' })));
    }
  }
  device.free(logits.storage);
}

async function timed(work: () => void | Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}
