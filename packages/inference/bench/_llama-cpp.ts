/* Figures of llama.cpp's own programs, tokens a second. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { median } from '../../../scripts/support/report.ts';

export interface PeerWork {
  /** Folder of the programs. */
  readonly programs: string;
  readonly file: string;
  readonly threads: number;
}

/** One line of llama-bench's `-o jsonl`: as much of it as is read here. */
interface Line {
  readonly n_prompt: number;
  readonly n_gen: number;
  readonly flash_attn: boolean | number;
  readonly samples_ts: readonly number[];
}

/** What the peer reached with one of its settings, by name. */
export interface PeerFigures {
  readonly prompt: Map<string, number[]>;
  readonly generation: Map<string, number[]>;
}

/**
 * llama-bench: a prompt of so many tokens and so many tokens one by one, after `depth` tokens. At a
 * depth with and without flash attention, since its default is the slower one there.
 */
export function llamaBench(
  { programs, file, threads }: PeerWork,
  { prompt, tokens, depth, rounds }: { prompt: number; tokens: number; depth: number; rounds: number },
): PeerFigures {
  const flags = ['-m', file, '-t', threads, '-p', prompt, '-n', tokens, '-d', depth, '-r', rounds];
  if (depth > 0) flags.push('-fa', '0,1');
  const figures: PeerFigures = { prompt: new Map(), generation: new Map() };
  for (const line of run(programs, 'llama-bench', [...flags, '-o', 'jsonl']) as Line[]) {
    const setting = depth > 0 ? `-fa ${Number(line.flash_attn)}` : '';
    (line.n_prompt > 0 ? figures.prompt : figures.generation).set(setting, [...line.samples_ts]);
  }
  return figures;
}

/** llama-batched-bench: tokens a second of several sequences generated together, each after a prompt of its own. */
export function llamaBatchedBench(
  { programs, file, threads }: PeerWork,
  { sequences, prompt, tokens }: { sequences: number; prompt: number; tokens: number },
): Map<string, number[]> {
  const context = sequences * (prompt + tokens);
  const work = ['-npl', sequences, '-npp', prompt, '-ntg', tokens, '--output-format', 'jsonl'];
  const flags = ['-m', file, '-t', threads, '-c', context, ...work];
  return new Map(
    ['off', 'on'].map((setting) => {
      const lines = run(programs, 'llama-batched-bench', [...flags, '-fa', setting]);
      return [`-fa ${setting}`, (lines as { speed_tg: number }[]).map(({ speed_tg }) => speed_tg)];
    }),
  );
}

/** The setting whose median is the highest, with all its figures. */
export function best(figures: ReadonlyMap<string, number[]>): { setting: string; samples: number[] } {
  return [...figures]
    .map(([setting, samples]) => ({ setting, samples }))
    .reduce((a, b) => (median(b.samples) > median(a.samples) ? b : a));
}

function run(programs: string, program: string, flags: readonly (string | number)[]): unknown[] {
  const out = execFileSync(join(programs, program), flags.map(String), {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return out
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as unknown);
}
