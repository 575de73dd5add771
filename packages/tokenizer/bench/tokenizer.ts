/**
 * `npm run bench -- tokenizer [--json] [--python PATH] [--only encode|train] [--slow] [--data FOLDER]`: encoding, decoding, loading and training beside
 * sentencepiece, Hugging Face tokenizers and tiktoken on the same 10 MB of English and of code, in one run. The peers run in the Python
 * given by --python or CRIA_BENCH_PYTHON (default python3); one that is not installed there is left out with the reason.
 */
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parseTokenizer, writeTokenizerJson, type Tokenizer } from '../src/index.ts';
import { trainTokenizer } from '../src/node.ts';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    slow: { type: 'boolean', default: false },
    python: { type: 'string', default: process.env['CRIA_BENCH_PYTHON'] ?? 'python3' },
    only: { type: 'string', default: 'encode,train' },
    data: { type: 'string', default: '' },
  },
});

const SIZE = 10_000_000;
const here = import.meta.dirname ?? process.cwd();
const root =
  [here, process.cwd()].map((folder) => findRoot(folder)).find((folder) => folder !== undefined) ??
  process.cwd();
const shared = values.data === '' ? join(root, '../shared/data') : values.data;
const TARGETS: Readonly<Record<string, number>> = {
  'llama docs': 3,
  'llama whole': 6,
  'llama3 tiktoken': 1.2,
  'llama3 tokenizers': 4,
  decode: 2,
  train: 1.2,
  load: 1,
};

interface PeerRow {
  readonly name: string;
  readonly peer: string;
  readonly seconds: number;
  readonly reason?: string;
  readonly peak_mb?: number;
}

function findRoot(from: string): string | undefined {
  for (let folder = from; ; folder = join(folder, '..')) {
    if (existsSync(join(folder, 'pnpm-workspace.yaml'))) return folder;
    if (folder === join(folder, '..')) return undefined;
  }
}

/** Up to SIZE bytes of files under `folders` whose names match, each file once. */
function gather(folders: readonly string[], pattern: RegExp): string {
  let text = '';
  const seen = new Set<string>();
  const visit = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) =>
      a.name < b.name ? -1 : 1,
    )) {
      if (text.length >= SIZE) return;
      const path = join(folder, entry.name);
      if (entry.isDirectory()) visit(path);
      else if (entry.isFile() && pattern.test(entry.name)) {
        const content = readFileSync(path, 'utf8');
        if (
          content.length > 400_000 ||
          content.includes('\ufffd') ||
          content.includes('\u2585') ||
          seen.has(content)
        )
          continue;
        if (/\.min\.|sourceMappingURL=data/.test(path + content.slice(-200))) continue;
        seen.add(content);
        text += content.replaceAll('\r', '');
      }
    }
  };
  for (const folder of folders) if (existsSync(folder)) visit(folder);
  return text.slice(0, SIZE);
}

function median(run: () => unknown, rounds: number): number {
  const times: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const start = performance.now();
    run();
    times.push((performance.now() - start) / 1000);
  }
  return times.sort((a, b) => a - b)[rounds >> 1];
}

const ours = new Map<string, number>();
const order: string[] = [];
function record(name: string, seconds: number): void {
  ours.set(name, seconds);
  order.push(name);
}

function timeEncoding(
  kind: string,
  vocab: string,
  file: Uint8Array,
  text: string,
  docs: readonly string[],
): void {
  const fresh = (): Tokenizer => parseTokenizer(file);
  const once = (run: (tokenizer: Tokenizer) => unknown): (() => unknown) => {
    const tokenizer = fresh(); // no cache from the round before
    return () => run(tokenizer);
  };
  const rounds = (run: (tokenizer: Tokenizer) => unknown): number => {
    const times = Array.from({ length: 5 }, () => median(once(run), 1));
    return times.sort((a, b) => a - b)[2];
  };
  record(
    `encode ${vocab} ${kind} docs`,
    rounds((tokenizer) => docs.map((doc) => tokenizer.encode(doc))),
  );
  record(
    `encode ${vocab} ${kind} whole`,
    rounds((tokenizer) => tokenizer.encode(text)),
  );
  const tokenizer = fresh();
  const ids = docs.map((doc) => tokenizer.encode(doc));
  record(
    `decode ${vocab} ${kind} docs`,
    median(() => ids.map((list) => tokenizer.decode(list)), 5),
  );
}

const folder = mkdtempSync(join(tmpdir(), 'cria-bench-tokenizer-'));
try {
  await main();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function main(): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const english = gather(
    [join(shared, 'text'), '/usr/share/vim', '/usr/share/doc', join(root, 'node_modules')],
    /^(?!wagahai).*\.(txt|md|rst|markdown|README|ENG)$/i,
  );
  const code = gather([join(root, 'node_modules/.pnpm')], /\.(?:[cm]?js|ts|tsx|py)$/);
  const texts = { english, code };
  for (const [kind, text] of Object.entries(texts)) {
    const docs = Array.from({ length: Math.ceil(text.length / 4096) }, (_, i) =>
      text.slice(4096 * i, 4096 * (i + 1)).replace(/[\ud800-\udfff]/gu, ''),
    );
    writeFileSync(join(folder, `${kind}.txt`), text);
    writeFileSync(join(folder, `${kind}.docs.json`), JSON.stringify(docs));
  }
  const training = english.slice(0, SIZE / 2) + code.slice(0, SIZE / 2);
  writeFileSync(join(folder, 'train.txt'), training);

  if (values.only.includes('encode')) {
    for (const vocab of ['llama', 'llama3']) {
      const source = join(shared, `tokenizer/${vocab}.tokenizer.model`);
      if (!existsSync(source))
        throw new Error(
          `[bench tokenizer] ${source} is missing. hint: give --data FOLDER with tokenizer/${vocab}.tokenizer.model`,
        );
      copyFileSync(source, join(folder, `${vocab}.model`));
      const file = new Uint8Array(readFileSync(source));
      writeFileSync(
        join(folder, `${vocab}.json`),
        writeTokenizerJson(parseTokenizer(file))['tokenizer.json'],
      );
      if (vocab === 'llama')
        record(
          'load llama',
          median(() => parseTokenizer(file), 30),
        );
      for (const [kind, text] of Object.entries(texts)) {
        const docs = JSON.parse(readFileSync(join(folder, `${kind}.docs.json`), 'utf8')) as string[]; // written above
        timeEncoding(kind, vocab, file, text, docs);
      }
    }
  }
  let peak = 0;
  if (values.only.includes('train')) {
    for (const vocabSize of [4096, 32000]) {
      for (const threads of [1, 2]) {
        const times: number[] = [];
        for (let i = 0; i < 3; i++) {
          const start = performance.now();
          await trainTokenizer([training], { vocabSize, threads });
          times.push((performance.now() - start) / 1000);
        }
        record(`train ${vocabSize} ${threads} threads`, times.sort((a, b) => a - b)[1]);
      }
    }
    peak = process.resourceUsage().maxRSS / 1024;
  }

  const script = existsSync(join(here, 'peers.py'))
    ? join(here, 'peers.py')
    : fileURLToPath(new URL('../bench/peers.py', import.meta.url));
  const parts = `${values.only}${values.slow ? ',slow' : ''}`;
  const peers = spawnSync(values.python, [script, folder, parts], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const rows = (peers.stdout ?? '')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as PeerRow); // its own format
  if (peers.status !== 0) console.error(`peers stopped: ${peers.error?.message ?? peers.stderr.slice(-600)}`);
  for (const row of rows)
    if (row.name === 'skipped') console.error(`${row.peer} is left out: ${row.reason ?? ''}`);
  for (const name of order)
    print(
      name,
      rows.filter((row) => row.name === name),
    );
  if (peak > 0 && !values.json)
    console.log(`peak memory of this process after training: ${peak.toFixed(0)} MB`);
}

function print(name: string, rows: readonly PeerRow[]): void {
  const seconds = ours.get(name) ?? NaN;
  const threads = name.includes('2 threads') ? 2 : 1;
  const speed = name.startsWith('encode') || name.startsWith('decode');
  const value = (time: number): number => (speed ? SIZE / 1e6 / time : time * 1000);
  const unit = speed ? 'MB/s' : 'ms';
  const list: readonly (PeerRow | undefined)[] = rows.length > 0 ? rows : [undefined];
  for (const row of list) {
    const key = Object.keys(TARGETS).find((words) =>
      words.split(' ').every((word) => `${name} ${row?.peer ?? ''}`.split(' ').includes(word)),
    );
    const entry = {
      name,
      threads,
      value: value(seconds),
      unit,
      peer: row?.peer ?? null,
      peerValue: row === undefined ? null : value(row.seconds),
      ratio: row === undefined ? null : row.seconds / seconds,
      target: key === undefined ? null : TARGETS[key],
      ...(row?.peak_mb === undefined ? {} : { peerPeakMb: row.peak_mb }),
    };
    if (values.json) console.log(JSON.stringify(entry));
    else {
      const peer =
        row === undefined
          ? ''
          : `${row.peer.padEnd(20)} ${value(row.seconds).toFixed(1).padStart(8)}   ${(row.seconds / seconds).toFixed(2).padStart(6)} x`;
      console.log(
        `${name.padEnd(30)} ${value(seconds).toFixed(1).padStart(8)} ${unit.padEnd(4)}   ${peer}${entry.target === null ? '' : `   (target ${entry.target})`}`,
      );
    }
  }
}
