/**
 * `npm run oracle:pre-names -- --llama-cpp BUILD --llama-cpp-source SOURCE [--texts N] [--seed S]
 * [--write]`: every pre-tokenizer of llama.cpp that is known here beside llama.cpp itself, on random
 * texts of many scripts, spaces and numbers. Ends with 1 on a difference. `--write` makes the vectors
 * of `test/pre-names.test.ts` from the first texts instead. What
 * Node's Unicode has not assigned is left out; llama.cpp's tables are younger.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bytesToAlphabet } from '../src/byte-level/byte-alphabet.ts';
import { preTokenizers } from '../src/byte-level/patterns.ts';
import { tokenizerFromGguf, writeGgufHeader, type GgufEntry } from '../src/index.ts';
import { randomNumbers, type Random } from './strings.ts';

const { values } = parseArgs({
  options: {
    'llama-cpp': { type: 'string' },
    'llama-cpp-source': { type: 'string' },
    texts: { type: 'string', default: '3000' },
    seed: { type: 'string', default: '1' },
    write: { type: 'boolean', default: false },
  },
});

const VECTORS = new URL('../test/vectors/pre-names.json', import.meta.url);
const VECTOR_TEXTS = 60;

const SPACES =
  ' |  |   |    |\t|\n|\r\n|\n\n| \n|\n |\v|\f|\u0085|\u00a0|\u1680|\u180e|\u2000|\u2003|\u200b|\u2028|\u2029|\u202f|\u205f|\u3000|\ufeff'.split(
    '|',
  );
const PARTS = (
  "a the Hello worldWide XMLHttp it's I'LL we've ' 's 'RE l'eau é ñandú Straße привет МИР λόγος שלום " +
  'مرحبا नमस्ते हिन्दी বাংলা ไทย ລາວ ខ្មែរ ' +
  'မြန်မာ ꩠ 中文字 漢 㐀 𠀀 豈 \ufa00 日本語 カタカナ ｶﾀ ひら 한국어 ㄱ ㄅ ꀀ \ue000 1 12 123 1234 12345 1234567 ٣ ² ½ Ⅷ 一 ! ' +
  '... ?! - — “q” 、 。 ！ … ( ) ' +
  '[x] { $ + € © 😀 👨‍👩‍👧 \u0301 e\u0301 \u093e <sentinel:12> IMGIMGABZ <sentinel:x> # @a _ __init__ ` ~ ' +
  '^ | \\ / http://a.b/c?d=1 ǅ ʰ 𐐀 𝐀 ฿ ﷼ ﹏ 〰 〿 ‘ ‟ \u206a'
).split(' ');

function randomText(random: Random): string {
  let text = '';
  for (let parts = 1 + random(12); parts > 0; parts--) {
    const kind = random(10);
    if (kind < 3) text += SPACES[random(kind === 0 ? SPACES.length : 6)];
    else if (kind < 9) text += PARTS[random(PARTS.length)];
    else text += randomCharacter(random);
  }
  return text;
}

function randomCharacter(random: Random): string {
  const character = String.fromCodePoint(random(random(6) === 0 ? 0x20000 : 0x3000));
  return character !== '\0' && !/\p{Cs}|\p{Cn}/u.test(character) ? character : 'a';
}

/** A vocabulary whose merges know no borders: what is cut shows in the ids. */
function vocabulary(texts: readonly string[], merges: number): { tokens: string[]; merges: string[] } {
  const tokens = Array.from({ length: 256 }, (_, byte) => bytesToAlphabet(Uint8Array.of(byte)));
  const known = new Set(tokens);
  const pairs: string[] = [];
  let words = texts.map((text) => [...bytesToAlphabet(new TextEncoder().encode(text))]);
  while (pairs.length < merges) {
    const counts = new Map<string, number>();
    for (const word of words)
      for (let i = 1; i < word.length; i++)
        counts.set(`${word[i - 1]} ${word[i]}`, (counts.get(`${word[i - 1]} ${word[i]}`) ?? 0) + 1);
    const best = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))[0];
    if (best === undefined) break;
    const [left = '', right = ''] = best[0].split(' ');
    pairs.push(best[0]);
    if (!known.has(left + right)) tokens.push(left + right);
    known.add(left + right);
    words = words.map((word) => joinPairs(word, left, right));
  }
  return { tokens, merges: pairs };
}

function joinPairs(word: readonly string[], left: string, right: string): string[] {
  const out: string[] = [];
  for (let i = 0; i < word.length; i++) {
    const joins = word[i] === left && word[i + 1] === right;
    out.push(joins ? left + right : (word[i] ?? ''));
    if (joins) i++;
  }
  return out;
}

function metadataOf(name: string, made: ReturnType<typeof vocabulary>): Map<string, GgufEntry> {
  const strings = (value: readonly string[]): GgufEntry => ({ type: 'array', of: 'string', value });
  return new Map<string, GgufEntry>([
    ['general.architecture', { type: 'string', value: 'llama' }],
    ['tokenizer.ggml.model', { type: 'string', value: 'gpt2' }],
    ['tokenizer.ggml.pre', { type: 'string', value: name }],
    ['tokenizer.ggml.tokens', strings(made.tokens)],
    ['tokenizer.ggml.token_type', { type: 'array', of: 'i32', value: made.tokens.map(() => 1) }],
    ['tokenizer.ggml.merges', strings(made.merges)],
  ]);
}

function build(bin: string, source: string, folder: string): string {
  const program = join(folder, 'tokens');
  const includes = [`-I${join(source, 'include')}`, `-I${join(source, 'ggml/include')}`];
  const libraries = [`-L${bin}`, '-lllama', '-lggml', '-lggml-base', `-Wl,-rpath,${bin}`];
  const file = join(import.meta.dirname, 'tokens.cc');
  const made = spawnSync('g++', ['-O1', '-std=c++17', ...includes, file, '-o', program, ...libraries]);
  if (made.status !== 0) throw new Error(`[oracle] g++ ended with ${made.status}: ${String(made.stderr)}`);
  return program;
}

function main(folder: string): number {
  const { 'llama-cpp': at, 'llama-cpp-source': source } = values;
  if (at === undefined || source === undefined) {
    console.log('skipped: --llama-cpp BUILD --llama-cpp-source SOURCE');
    return 0;
  }
  const program = build(join(at, 'bin'), source, folder);
  const random = randomNumbers(Number(values.seed));
  const texts = Array.from({ length: values.write ? VECTOR_TEXTS : Number(values.texts) }, () =>
    randomText(random),
  );
  const made = vocabulary(texts.slice(0, 300), 4000);
  writeFileSync(
    join(folder, 'texts'),
    texts.map((text) => `${Buffer.from(text).toString('hex')}\n`).join(''),
  );
  const lists: string[][] = texts.map(() => []);
  const names: Record<string, number[]> = {};
  const seen = new Set<unknown>();
  let bad = 0;
  for (const [name, pre] of preTokenizers) {
    if (seen.has(pre)) continue;
    seen.add(pre);
    const metadata = metadataOf(name, made);
    const path = join(folder, 'vocabulary.gguf');
    writeFileSync(path, writeGgufHeader(metadata, []));
    const { status, stdout } = spawnSync(program, [join(folder, 'texts'), path], {
      encoding: 'utf8',
      maxBuffer: 1 << 29,
    });
    if (status !== 0) {
      console.log(`skipped: this llama.cpp does not load '${name}'`);
      continue;
    }
    const theirs = stdout.split('\n');
    const tokenizer = tokenizerFromGguf(metadata);
    const differing = texts.filter((text, i) => Array.from(tokenizer.encode(text)).join(' ') !== theirs[i]);
    differing.slice(0, 2).forEach((text) => console.log(`DIFFERS ${name}: ${JSON.stringify(text)}`));
    console.log(`${name.padEnd(24)} ${texts.length} compared, ${differing.length} differ`);
    bad += differing.length;
    names[name] = texts.map((_, i) => {
      const list = lists[i] ?? [];
      if (!list.includes(theirs[i] ?? '')) list.push(theirs[i] ?? '');
      return list.indexOf(theirs[i] ?? '');
    });
  }
  if (values.write) {
    const ids = lists.map((each) => each.map((line) => (line === '' ? [] : line.split(' ').map(Number))));
    const rows = [`"tokens": ${JSON.stringify(made.tokens)}`, `"merges": ${JSON.stringify(made.merges)}`];
    rows.push(
      `"texts": ${JSON.stringify(texts)}`,
      `"ids": ${JSON.stringify(ids)}`,
      `"names": ${JSON.stringify(names)}`,
    );
    writeFileSync(VECTORS, `{${rows.join(',\n')}}\n`);
  }
  return bad;
}

const folder = mkdtempSync(join(tmpdir(), 'cria-pre-'));
try {
  process.exitCode = main(folder) === 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
