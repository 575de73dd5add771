/**
 * Vocabularies of many kinds beside the programs that define them: tokenizer.json files beside
 * tokenizers (cases.py), SentencePiece models beside sentencepiece (pieces.py), and llama.cpp's
 * pre-tokenizers by name beside llama.cpp itself (the npm package node-llama-cpp).
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { preTokenizers } from '../src/byte-level/patterns.ts';
import {
  parseTokenizer,
  readGguf,
  readTokenizerJson,
  tokenizerFromGguf,
  writeGgufHeader,
} from '../src/index.ts';

/** Prints a line a kind; returns the number of texts that differ. */
export async function compareKinds(
  python: string,
  folder: string,
  gguf: string,
  texts: readonly string[],
  work: string,
): Promise<number> {
  const file = join(work, 'texts.json');
  writeFileSync(file, JSON.stringify(texts));
  return (
    jsonKinds(python, file, texts) +
    pieceKinds(python, file, texts) +
    (await names(folder, gguf, texts, work))
  );
}

function answer<T>(python: string, script: string, file: string): T | undefined {
  const { status, stdout, stderr } = spawnSync(python, [join(import.meta.dirname, script), file], {
    encoding: 'utf8',
    maxBuffer: 1 << 29,
  });
  if (status === 0) return JSON.parse(stdout) as T; // as the script writes it
  console.log(`skipped: ${script} (${stderr.trim().split('\n').at(-1) ?? ''})`);
  return undefined;
}

function count(
  label: string,
  encode: (text: string) => ArrayLike<number>,
  texts: readonly string[],
  expected: readonly (readonly number[])[],
): number {
  let bad = 0;
  texts.forEach((text, i) => {
    const own = Array.from(encode(text));
    if (own.join() === expected[i]?.join()) return;
    if (++bad <= 3) console.log(`DIFFERS ${label}: ${JSON.stringify(text.slice(0, 120))}`);
  });
  console.log(`${label.padEnd(52)} ${texts.length} compared, ${bad} differ`);
  return bad;
}

/** tokenizers normalises by Unicode 9's tables: texts with younger characters are left out there. */
const NORMALIZES = /NF|StripAccents|Lowercase|normalized/;
const LONG_ASSIGNED =
  /^[\0-\u052f\u2000-\u206f\u2100-\u2189\u2460-\u27ff\u3000-\u30ff\u4e00-\u9fa5\uff00-\uffee]*$/;

interface JsonKinds {
  readonly bases: Readonly<Record<string, { readonly model: object }>>;
  readonly cases: readonly {
    readonly name: string;
    readonly base: string;
    readonly parts: { readonly model?: object };
    readonly ids: readonly (readonly number[])[];
  }[];
}

function jsonKinds(python: string, file: string, texts: readonly string[]): number {
  const found = answer<JsonKinds>(python, 'cases.py', file);
  let bad = 0;
  for (const { name, base, parts, ids } of found?.cases ?? []) {
    const root = found?.bases[base];
    const json = JSON.stringify({ ...root, ...parts, model: { ...root?.model, ...parts.model } });
    const tokenizer = readTokenizerJson(json);
    const encode = (text: string) => tokenizer.encode(text, { allowedSpecial: 'all' });
    const same = texts.map((text) => !NORMALIZES.test(name) || LONG_ASSIGNED.test(text));
    bad += count(
      `tokenizer.json, ${base}: ${name}`,
      encode,
      texts.filter((_, i) => same[i]),
      ids.filter((_, i) => same[i]),
    );
  }
  return bad;
}

interface PieceKinds {
  readonly models: readonly {
    readonly name: string;
    readonly model: string;
    readonly ids: readonly (readonly number[])[];
  }[];
}

function pieceKinds(python: string, file: string, texts: readonly string[]): number {
  const found = answer<PieceKinds>(python, 'pieces.py', file);
  let bad = 0;
  for (const { name, model, ids } of found?.models ?? []) {
    const tokenizer = parseTokenizer(new Uint8Array(Buffer.from(model, 'base64')));
    bad += count(`sentencepiece, ${name}`, (text) => tokenizer.encode(text), texts, ids);
  }
  return bad;
}

/** What is used of node-llama-cpp. */
interface LlamaCpp {
  getLlama(options: object): Promise<{
    loadModel(options: object): Promise<{
      tokenize(text: string, special: boolean): ArrayLike<number>;
      dispose(): Promise<void>;
    }>;
  }>;
}

/** GPT-2's vocabulary under every name that stands for rules of its own. */
async function names(folder: string, gguf: string, texts: readonly string[], work: string): Promise<number> {
  const entry = join(folder, 'npm/node_modules/node-llama-cpp/dist/index.js');
  if (!existsSync(entry)) {
    console.log(`skipped: node-llama-cpp (not in ${join(folder, 'npm')}). --install gets it`);
    return 0;
  }
  const { getLlama } = (await import(pathToFileURL(entry).href)) as LlamaCpp; // its documented interface
  const llama = await getLlama({ gpu: false, build: 'never', progressLogs: false, logLevel: 'disabled' });
  const bytes = new Uint8Array(readFileSync(gguf));
  const { metadata } = readGguf(bytes, { fileSize: bytes.length });
  const seen = new Set<unknown>();
  let bad = 0;
  for (const [name, pre] of preTokenizers) {
    if (seen.has(pre)) continue;
    seen.add(pre);
    const own = new Map(metadata).set('tokenizer.ggml.pre', { type: 'string', value: name });
    const path = join(work, 'named.gguf');
    writeFileSync(path, writeGgufHeader(own, []));
    const model = await llama.loadModel({ modelPath: path, vocabOnly: true }).catch(() => undefined);
    if (model === undefined) {
      console.log(`skipped: the llama.cpp of node-llama-cpp does not load '${name}'`);
      continue;
    }
    const some = texts
      .filter((text) => !text.includes('\0') && !text.includes('<|'))
      .filter((text) => !/'\u017f/.test(text)); // a contraction to tokenizers, not to llama.cpp;
    const ids = some.map((text) => Array.from(model.tokenize(text, false)));
    await model.dispose();
    const tokenizer = tokenizerFromGguf(own);
    bad += count(`llama.cpp, ${name}`, (text) => tokenizer.encode(text), some, ids);
  }
  return bad;
}
