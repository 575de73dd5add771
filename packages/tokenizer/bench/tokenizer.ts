/**
 * `npm run bench -- tokenizer [--json] [--python PATH] [--only llama,llama3,train] [--rounds N]
 * [--slow] [--data FOLDER]`: encoding, decoding, loading and training beside sentencepiece, Hugging
 * Face tokenizers and tiktoken on the same 10 MB of English and of code. Every round times us and
 * each peer once, in turns; the medians are compared. The peers run in the Python given by --python
 * or CRIA_BENCH_PYTHON, else the one that `npm run oracle:tokenizer -- --install` made, else
 * python3; what is not installed is left out with the reason.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { median, report } from '../../../scripts/support/report.ts';
import { parseTokenizer, writeTokenizerJson } from '../src/index.ts';
import { trainTokenizer } from '../src/node.ts';
import { startPeers, type PeerProcess } from './_peers.ts';
import { documents, gatherTexts, SIZE } from './_texts.ts';

const oraclePython = join(homedir(), '.cache/cria-oracle/venv/bin/python');
const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    slow: { type: 'boolean', default: false },
    python: {
      type: 'string',
      default: process.env['CRIA_BENCH_PYTHON'] ?? (existsSync(oraclePython) ? oraclePython : 'python3'),
    },
    only: { type: 'string', default: 'llama,llama3,train' },
    rounds: { type: 'string', default: '3' },
    data: { type: 'string', default: '' },
  },
});

const root = join(import.meta.dirname, '../../..');
const shared = values.data === '' ? join(root, '../shared/data') : values.data;
const parts = values.only.split(',');
const rounds = Number(values.rounds);

interface Case {
  readonly name: string;
  readonly threads: number;
  /** One run, timed from here; what it needs is made before. */
  readonly own: () => () => unknown;
  /** Peers and the least ratio against each. */
  readonly peers: Readonly<Record<string, number | null>>;
  readonly request: object;
  readonly unit: 'MB/s' | 'ms';
  readonly rounds?: number;
}

const folder = mkdtempSync(join(tmpdir(), 'cria-bench-tokenizer-'));
let peers: PeerProcess | undefined;
try {
  await main();
} finally {
  peers?.end();
  rmSync(folder, { recursive: true, force: true });
}

async function main(): Promise<void> {
  const texts = gatherTexts(shared, root);
  for (const [kind, text] of Object.entries(texts)) {
    writeFileSync(join(folder, `${kind}.txt`), text);
    writeFileSync(join(folder, `${kind}.docs.json`), JSON.stringify(documents(text)));
  }
  const training = texts.english.slice(0, SIZE / 2) + texts.code.slice(0, SIZE / 2);
  writeFileSync(join(folder, 'train.txt'), training);
  peers = await startPeers(values.python, import.meta.dirname, folder);
  const versions = (await peers?.versions()) ?? {};
  for (const [peer, version] of Object.entries(versions))
    if (version === null) console.error(`${peer} is left out: ${values.python} does not have it`);
  for (const vocab of ['llama', 'llama3']) {
    if (!parts.includes(vocab)) continue;
    for (const one of vocabularyCases(vocab, texts)) await compare(one, versions);
  }
  if (!parts.includes('train')) return;
  for (const one of trainingCases(training)) await compare(one, versions);
  await compareMemory(versions);
}

function vocabularyCases(vocab: string, texts: Readonly<Record<string, string>>): Case[] {
  const source = join(shared, `tokenizer/${vocab}.tokenizer.model`);
  if (!existsSync(source))
    throw new Error(
      `[bench tokenizer] ${source} is missing. hint: give --data FOLDER with tokenizer/${vocab}.tokenizer.model`,
    );
  copyFileSync(source, join(folder, `${vocab}.model`));
  const file = new Uint8Array(readFileSync(source));
  writeFileSync(join(folder, `${vocab}.json`), writeTokenizerJson(parseTokenizer(file))['tokenizer.json']);
  const native = vocab === 'llama' ? 'sentencepiece' : 'tiktoken';
  const targets = vocab === 'llama' ? { docs: [3, 3], whole: [6, 6] } : { docs: [1.2, 4], whole: [1.2, 4] };
  const cases: Case[] = Object.entries(texts).flatMap(([kind, text]): Case[] => {
    const docs = documents(text);
    const shared = { threads: 1, unit: 'MB/s' } as const;
    const [forDocs, forWhole] = [targets.docs, targets.whole];
    const wholePeers = {
      [native]: forWhole[0],
      ...(vocab === 'llama3' || values.slow ? { tokenizers: forWhole[1] } : {}),
    }; // tokenizers takes 20 s and more for LLaMA's whole text
    return [
      {
        ...shared,
        name: `encode ${vocab} ${kind} docs`,
        own: () => {
          const tokenizer = parseTokenizer(file); // no cache from the round before
          return () => docs.map((doc) => tokenizer.encode(doc));
        },
        peers: { [native]: forDocs[0], tokenizers: forDocs[1] },
        request: { op: 'docs', vocab, kind },
      },
      {
        ...shared,
        name: `encode ${vocab} ${kind} whole`,
        own: () => {
          const tokenizer = parseTokenizer(file);
          return () => tokenizer.encode(text);
        },
        peers: wholePeers,
        request: { op: 'whole', vocab, kind },
      },
      {
        ...shared,
        name: `decode ${vocab} ${kind} docs`,
        own: once(() => {
          const tokenizer = parseTokenizer(file);
          const ids = docs.map((doc) => tokenizer.encode(doc));
          tokenizer.decode(ids[0]); // makes its tables, which the peers make when they load
          return () => ids.map((list) => tokenizer.decode(list));
        }),
        peers: { [native]: 2, tokenizers: 2 },
        request: { op: 'decode', vocab, kind },
        rounds: Math.max(5, rounds),
      },
    ];
  });
  const load: Case = {
    name: 'load llama',
    threads: 1,
    unit: 'ms',
    own: () => () => parseTokenizer(new Uint8Array(readFileSync(source))),
    peers: { sentencepiece: 1 },
    request: { op: 'load', vocab },
    rounds: 40,
  };
  return vocab === 'llama' ? [...cases, load] : cases;
}

/** Makes what is timed in the first round and keeps it, for work without a cache. */
function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

function trainingCases(text: string): Case[] {
  return [4096, 32000].flatMap((vocabSize) =>
    [1, 2].map((threads): Case => ({
      name: `train ${vocabSize} pieces`,
      threads,
      unit: 'ms',
      own: () => () => trainTokenizer([text], { vocabSize, threads }),
      peers: { sentencepiece: 1.2 },
      request: { op: 'train', vocabSize, threads },
    })),
  );
}

async function compare(one: Case, versions: Readonly<Record<string, string | null>>): Promise<void> {
  const names = Object.keys(one.peers).filter((peer) => typeof versions[peer] === 'string');
  const times = new Map<string, number[]>(['own', ...names].map((name) => [name, []]));
  for (let round = 0; round < (one.rounds ?? rounds); round++) {
    const run = one.own();
    if (round === 0 || one.unit === 'MB/s') (globalThis as { gc?: () => void }).gc?.(); // set by scripts/bench.mjs
    const start = performance.now();
    await run();
    times.get('own')?.push((performance.now() - start) / 1000);
    for (const peer of names) times.get(peer)?.push((await peers?.time({ peer, ...one.request })) ?? NaN);
  }
  const seconds = median(times.get('own') ?? []);
  const value = (time: number): number => (one.unit === 'MB/s' ? SIZE / 1e6 / time : time * 1000);
  for (const peer of names.length > 0 ? names : [undefined]) {
    const theirs = peer === undefined ? undefined : median(times.get(peer) ?? []);
    report(
      {
        name: one.name,
        threads: one.threads,
        value: value(seconds),
        unit: one.unit,
        peer: peer === undefined ? undefined : `${peer} ${versions[peer] ?? ''}`,
        peerValue: theirs === undefined ? undefined : value(theirs),
        ratio: theirs === undefined ? undefined : theirs / seconds,
        target: peer === undefined ? undefined : (one.peers[peer] ?? undefined),
      },
      values.json,
    );
  }
}

/** Peak memory of a process that reads 10 MB and trains. */
async function compareMemory(versions: Readonly<Record<string, string | null>>): Promise<void> {
  const script = join(import.meta.dirname, '_train-memory.ts');
  for (const vocabSize of [32000]) {
    const { stdout } = spawnSync(
      process.execPath,
      [...process.execArgv, script, join(folder, 'train.txt'), String(vocabSize), '1'],
      { encoding: 'utf8' },
    );
    const version = versions['sentencepiece'];
    const theirs = typeof version === 'string' ? await peers?.megabytes(vocabSize) : undefined;
    const value = Number(stdout);
    report(
      {
        name: `peak memory, train ${vocabSize}`,
        threads: 1,
        value,
        unit: 'MB',
        peer: theirs === undefined ? undefined : `sentencepiece ${version ?? ''}`,
        peerValue: theirs,
        ratio: theirs === undefined ? undefined : theirs / value,
      },
      values.json,
    );
  }
}
