/**
 * `npm run oracle:tokenizer [-- --strings N | --long] [--seed S] [--only encode|train|kinds]
 * [--install]`: this package beside sentencepiece, Hugging Face tokenizers (Rust, and JavaScript)
 * and tiktoken on random strings, and its trainers beside theirs. `--long` is a million strings.
 * The peers live in ~/.cache/cria-oracle (CRIA_ORACLE_FOLDER); --install puts them there; what is
 * absent is skipped with the reason. Ends with 1 on a difference.
 */
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  parseTokenizer,
  writeTokenizerJson,
  type SentencePieceTokenizer,
  type ByteLevelTokenizer,
} from '../src/index.ts';
import { compareKinds } from './kinds.ts';
import { ask, findPeers, installPeers, npmPeer, peerFolder, readIdLists, type Peers } from './peers.ts';
import { randomNumbers, randomString, wellFormed, type StringSources } from './strings.ts';
import { compareTraining } from './training.ts';

const { values } = parseArgs({
  options: {
    strings: { type: 'string', default: '20000' },
    long: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    only: { type: 'string', default: 'encode,train,kinds' },
    install: { type: 'boolean', default: false },
  },
});
const total = values.long ? 1_000_000 : Number(values.strings);
const ROUND = 50_000;
const shared = join(import.meta.dirname, '../../../../shared');
const SPECIAL = { allowedSpecial: 'all' } as const;

/**
 * JavaScript's \s has U+FEFF and lacks U+0085, and its (?i:'s) lacks ſ: there the JavaScript
 * package differs from the Rust one, whose ids are ours.
 */
const JS_TRAPS = /[\ufeff\u0085]|'\u017f/;

type Own = SentencePieceTokenizer | ByteLevelTokenizer;

/** One vocabulary in one other program. */
interface Pairing {
  readonly name: string;
  readonly peer: string;
  readonly own: Own;
  readonly model: string;
  /** Every so many strings: the slow ones get fewer. */
  readonly every: number;
  /** The peer reads special tokens in any text. */
  readonly special: boolean;
}

const work = mkdtempSync(join(tmpdir(), 'cria-oracle-'));
try {
  process.exitCode = (await main()) === 0 ? 0 : 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}

async function main(): Promise<number> {
  if (!existsSync(shared)) {
    console.log('skipped: no ../shared folder with the vocabularies beside the repository');
    return 0;
  }
  const folder = peerFolder();
  if (values.install) installPeers(folder);
  const peers = findPeers(folder, work);
  if (peers === undefined) return 0;
  for (const [peer, version] of peers.versions) console.log(`${peer} ${version}`);
  console.log(`characters of Unicode ${peers.unicode}; Node has ${process.versions.unicode ?? '?'}`);
  let bad = 0;
  if (values.only.includes('train')) bad += await compareTraining(peers, join(shared, 'data/text'), work);
  if (values.only.includes('kinds')) {
    const gguf = join(shared, 'data/tokenizer/gpt2.vocab.gguf');
    bad += await compareKinds(peers.python, folder, gguf, someTexts(peers), work);
  }
  if (values.only.includes('encode')) bad += await compareEncoding(peers, folder);
  console.log(bad === 0 ? 'no differences' : `${bad} differences`);
  return bad;
}

function sourcesOf(peers: Peers): StringSources {
  return {
    ranges: peers.ranges,
    code: readdirSync(join(import.meta.dirname, '../src'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => readFileSync(join(import.meta.dirname, '../src', file), 'utf8'))
      .join('\n'),
    prose: readdirSync(join(shared, 'data/text')).map((file) =>
      readFileSync(join(shared, 'data/text', file), 'utf8'),
    ),
  };
}

/** The characters that fall apart in every way, and strings of every kind. */
function someTexts(peers: Peers): string[] {
  const random = randomNumbers(Number(values.seed) + 1);
  const sources = sourcesOf(peers);
  const kinds = ['<tool>the <|end|>', 'word swords', '<a><a><b>', '  <mask>  x', 'a b', '▁x▁y'];
  const length = Math.min(2000, total);
  return Array.from({ length }, (_, i) => {
    const text = wellFormed(randomString(random, sources));
    return i % 4 === 0 ? text + kinds[random(kinds.length)] : text;
  });
}

async function compareEncoding(peers: Peers, folder: string): Promise<number> {
  const pairings = makePairings(peers);
  const inJs = await npmPairings(folder);
  const random = randomNumbers(Number(values.seed));
  const sources = sourcesOf(peers);
  const differences = new Map<string, number>();
  const compared = new Map<string, number>();
  let trapped = 0;
  const check = (name: string, text: string, own: ArrayLike<number>, theirs: ArrayLike<number>): void => {
    compared.set(name, (compared.get(name) ?? 0) + 1);
    if (own.length === theirs.length && Array.prototype.every.call(own, (id, i) => id === theirs[i])) return;
    const count = (differences.get(name) ?? 0) + 1;
    differences.set(name, count);
    if (count <= 5)
      console.log(
        `DIFFERS ${name}: ${JSON.stringify(text.slice(0, 200))}\n  ours   ` +
          `${Array.from(own).slice(0, 40).join(' ')}\n  theirs ${Array.from(theirs).slice(0, 40).join(' ')}`,
      );
  };
  for (let done = 0; done < total; done += ROUND) {
    const texts = Array.from({ length: Math.min(ROUND, total - done) }, () => randomString(random, sources));
    checkRoundTrips(pairings, texts, check);
    const files = new Map<number, string>();
    for (const { every } of pairings) {
      if (files.has(every)) continue;
      files.set(every, join(work, `strings-${every}.jsonl`));
      const some = texts.filter((_, i) => i % every === 0);
      writeFileSync(
        files.get(every) ?? '',
        some.map((text) => `${JSON.stringify(wellFormed(text))}\n`).join(''),
      );
    }
    const jobs = pairings.map(({ name, peer, model, every }) => ({
      run: 'encode',
      name,
      peer,
      model,
      strings: files.get(every),
      limit: ROUND,
      out: join(work, `${name}.bin`),
    }));
    const lists = pairings
      .filter(({ peer }) => peer !== 'tokenizers')
      .map((pairing) => randomIds(pairing, random));
    const replies = ask(peers.python, work, { jobs: [...jobs, ...lists.map(({ job }) => job)] });
    if (replies === undefined) return 1;
    for (const reply of replies)
      if (reply['failed'] !== undefined)
        throw new Error(
          `[oracle] ${String(reply['failed'])}: ${String(reply['why'])}. hint: look at the peer's installation`,
        );
    for (const { name, own, every, special } of pairings) {
      const some = texts.filter((_, i) => i % every === 0);
      let i = 0;
      for (const ids of readIdLists(join(work, `${name}.bin`))) {
        const text = some[i++];
        check(name, text, own.encode(text, special ? SPECIAL : undefined), ids);
      }
      if (i !== some.length)
        throw new Error(`[oracle] ${name} answered ${i} of ${some.length} strings. hint: look at peers.py`);
    }
    for (const { name, own, ids, job } of lists) {
      const answers = readFileSync(job.out, 'utf8').split('\n');
      ids.forEach((list, i) => {
        const text = own.decode(list);
        check(`${name} decode`, list.join(' '), codes(text), codes(JSON.parse(answers[i] ?? '""') as string));
      });
    }
    for (const { name, own, encode, every } of inJs) {
      for (let i = 0; i < texts.length; i += every) {
        if (JS_TRAPS.test(texts[i])) trapped++;
        else check(name, texts[i], own.encode(texts[i], SPECIAL), encode(wellFormed(texts[i])));
      }
    }
    console.log(`${Math.min(done + ROUND, total)} of ${total} strings`);
  }
  console.log(
    `${trapped} strings not given to @huggingface/tokenizers: U+FEFF, U+0085 or 'ſ, which it splits ` +
      'otherwise than Rust does',
  );
  for (const [name, count] of compared)
    console.log(`${name.padEnd(34)} ${count} compared, ${differences.get(name) ?? 0} differ`);
  return [...differences.values()].reduce((sum, count) => sum + count, 0);
}

function codes(text: string): number[] {
  return Array.from(text, (character) => character.codePointAt(0) ?? 0);
}

/**
 * A text comes back from its ids (SentencePiece writes ▁ as a space), at once and piece by piece.
 */
function checkRoundTrips(
  pairings: readonly Pairing[],
  texts: readonly string[],
  check: (name: string, text: string, own: ArrayLike<number>, theirs: ArrayLike<number>) => void,
): void {
  const seen = new Set<Own>();
  for (const { own, peer } of pairings) {
    if (seen.has(own)) continue;
    seen.add(own);
    for (let i = 0; i < texts.length; i += 10) {
      const whole = wellFormed(texts[i]);
      const text = peer === 'sentencepiece' ? whole.replaceAll('▁', ' ') : whole;
      const ids = own.encode(texts[i]);
      const back = own.decode(ids);
      if (back !== text) check('decode(encode(text))', text, codes(back), codes(text));
      else check('decode(encode(text))', text, [], []);
      const stream = own.decodeStream();
      const streamed = Array.from(ids, (id) => stream.push(id)).join('') + stream.end();
      if (streamed !== text) check('decodeStream', text, codes(streamed), codes(text));
    }
  }
}

/** Lists of ids that no encoder makes. */
function randomIds(pairing: Pairing, random: (below: number) => number) {
  const { own, peer, name, model } = pairing;
  const most = peer === 'tiktoken' ? own.vocabSize - 256 : own.vocabSize;
  const ids = Array.from({ length: ROUND / 20 }, () =>
    Array.from({ length: 1 + random(12) }, () =>
      random(2) === 0 ? random(Math.min(most, 300)) : random(most),
    ),
  );
  const file = join(work, `${name}.ids.jsonl`);
  writeFileSync(file, ids.map((list) => `${JSON.stringify(list)}\n`).join(''));
  return {
    name,
    own,
    ids,
    job: {
      run: 'decode',
      name: `${name} decode`,
      peer,
      model,
      ids: file,
      out: join(work, `${name}.texts.jsonl`),
    },
  };
}

function vocabularies(): { name: string; own: Own; file: string; json: string; config: string }[] {
  return [
    ['llama', 'data/tokenizer/llama.tokenizer.model'],
    ['llama3', 'data/tokenizer/llama3.tokenizer.model'],
    ['gpt2', 'data/tokenizer/gpt2.vocab.gguf'],
    ['english-512', 'fixtures/tokenizer/english-512/tokenizer.model'],
    ['mixed-2000', 'fixtures/tokenizer/mixed-2000/tokenizer.model'],
  ].map(([name, path]) => {
    const own = parseTokenizer(new Uint8Array(readFileSync(join(shared, path))));
    const files = writeTokenizerJson(own);
    const file = join(work, `${name}.model`);
    copyFileSync(join(shared, path), file);
    writeFileSync(join(work, `${name}.json`), files['tokenizer.json']);
    return { name, own, file, json: files['tokenizer.json'], config: files['tokenizer_config.json'] };
  });
}

function makePairings({ versions }: Peers): Pairing[] {
  const pairings: Pairing[] = [];
  for (const { name, own, file } of vocabularies()) {
    const every = name === 'llama' || name === 'llama3' ? 1 : 10;
    const peer = name === 'llama3' ? 'tiktoken' : name === 'gpt2' ? undefined : 'sentencepiece';
    if (peer !== undefined && versions.has(peer))
      pairings.push({ name: `${name} ${peer}`, peer, own, model: file, every, special: false });
    if (versions.has('tokenizers'))
      pairings.push({
        name: `${name} tokenizers`,
        peer: 'tokenizers',
        own,
        model: join(work, `${name}.json`),
        every,
        special: true,
      });
  }
  return pairings;
}

/** The JavaScript package is slow: it gets one string in twenty. */
async function npmPairings(folder: string) {
  const peer = await npmPeer(folder);
  if (peer === undefined) return [];
  console.log(`@huggingface/tokenizers ${peer.version} (npm)`);
  return vocabularies().map(({ name, own, json, config }) => ({
    name: `${name} @huggingface/tokenizers`,
    own,
    encode: peer.open(json, config),
    every: 20,
  }));
}
