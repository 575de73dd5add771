/**
 * Training beside spm_train and Hugging Face's trainer: the same pieces in the same order, the same
 * number of tokens.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  readSentencePieceModel,
  SentencePieceTokenizer,
  writeSentencePieceModel,
  type Tokenizer,
} from '../src/index.ts';
import { trainByteLevel, trainTokenizer } from '../src/node.ts';
import { ask, readIdLists, type Peers } from './peers.ts';

const CORPORA = ['botchan.txt', 'tinyshakespeare.txt', 'wagahaiwa_nekodearu.txt'];
const SIZES = [500, 4000, 8000];

/** Prints a line a case; returns the number of cases out of bounds. */
export async function compareTraining(peers: Peers, texts: string, work: string): Promise<number> {
  let bad = 0;
  for (const corpus of CORPORA) {
    for (const size of SIZES) {
      const path = join(texts, corpus);
      const text = readFileSync(path, 'utf8');
      if (peers.versions.has('sentencepiece'))
        bad += (await sentencePieceCase(peers, corpus, path, text, size, work)) ? 0 : 1;
      if (peers.versions.has('tokenizers'))
        bad += (await byteLevelCase(peers, corpus, path, text, size, work)) ? 0 : 1;
    }
  }
  return bad;
}

async function sentencePieceCase(
  peers: Peers,
  corpus: string,
  path: string,
  text: string,
  size: number,
  work: string,
): Promise<boolean> {
  const label = `spm_train   ${corpus.padEnd(24)} ${String(size).padStart(5)}`;
  const out = join(work, 'spm');
  const job = { run: 'train-sentencepiece', name: 'train', text: path, vocab_size: size, out };
  const [reply] = ask(peers.python, work, { jobs: [job] }) ?? [];
  const ours = await trainTokenizer([text], { vocabSize: size }).catch((error: Error) => error);
  if (reply?.['failed'] !== undefined || ours instanceof Error) {
    const both = reply?.['failed'] !== undefined && ours instanceof Error;
    const refusal = ours instanceof Error ? ours.message : 'trained';
    console.log(`${label}  ${both ? 'both refuse' : `DIFFERS: ${String(reply?.['why'])}`} (${refusal})`);
    return both;
  }
  const theirs = new SentencePieceTokenizer(
    readSentencePieceModel(new Uint8Array(readFileSync(`${out}.model`))),
  );
  const a = pieces(ours);
  const b = pieces(theirs);
  const share = commonSubsequence(a, b) / size;
  const lines = text.split('\n');
  const [tokens, peerTokens] = [ours, theirs].map((tokenizer) =>
    lines.reduce((sum, line) => sum + tokenizer.countTokens(line), 0),
  );
  // our model in their program
  const model = join(work, 'ours.model');
  writeFileSync(model, writeSentencePieceModel(ours.model));
  writeFileSync(join(work, 'lines.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const check = {
    run: 'encode',
    name: 'check',
    peer: 'sentencepiece',
    model,
    strings: join(work, 'lines.jsonl'),
    limit: 1e9,
    out: join(work, 'check.bin'),
  };
  const [answer] = ask(peers.python, work, { jobs: [check] }) ?? [];
  const loads = answer?.['done'] === 'check' && sameLists(ours, lines, check.out);
  const close = Math.abs(tokens / peerTokens - 1) <= 0.001;
  console.log(
    `${label}  pieces ${same(a, b)}/${size} in place, ${(100 * share).toFixed(2)} % in order; tokens ${tokens} and ${peerTokens}; loaded there: ${loads ? 'equal ids' : `DIFFERS ${String(answer?.['why'] ?? '')}`}`,
  );
  return share >= 0.999 && close && loads;
}

async function byteLevelCase(
  peers: Peers,
  corpus: string,
  path: string,
  text: string,
  size: number,
  work: string,
): Promise<boolean> {
  const out = join(work, 'byte-level.json');
  const job = { run: 'train-byte-level', name: 'train', text: path, vocab_size: size, out };
  const [reply] = ask(peers.python, work, { jobs: [job] }) ?? [];
  const ours = pieces(await trainByteLevel([text], { vocabSize: size, specialTokens: [] }));
  const theirs = reply?.['done'] === 'train' ? (JSON.parse(readFileSync(out, 'utf8')) as string[]) : [];
  const share = commonSubsequence(ours, theirs) / size;
  console.log(
    `byte-level  ${corpus.padEnd(24)} ${String(size).padStart(5)}  tokens ${same(ours, theirs)}/${size} ` +
      `in place, ${(100 * share).toFixed(2)} % in order ${String(reply?.['why'] ?? '')}`,
  );
  return share >= 0.999;
}

function pieces(tokenizer: Tokenizer): string[] {
  return Array.from({ length: tokenizer.vocabSize }, (_, id) => tokenizer.idToPiece(id));
}

function same(a: readonly string[], b: readonly string[]): number {
  return a.filter((piece, i) => piece === b[i]).length;
}

function sameLists(tokenizer: Tokenizer, texts: readonly string[], path: string): boolean {
  let i = 0;
  for (const ids of readIdLists(path)) {
    const own = tokenizer.encode(texts[i++] ?? '');
    if (own.length !== ids.length || own.some((id, k) => id !== ids[k])) return false;
  }
  return i === texts.length;
}

/** Length of the longest common subsequence. */
function commonSubsequence(a: readonly string[], b: readonly string[]): number {
  if (a.length === b.length && same(a, b) === a.length) return a.length;
  let row = new Int32Array(b.length + 1);
  for (const piece of a) {
    const next = new Int32Array(b.length + 1);
    for (let j = 0; j < b.length; j++)
      next[j + 1] = piece === b[j] ? row[j] + 1 : Math.max(row[j + 1], next[j]);
    row = next;
  }
  return row[b.length];
}
