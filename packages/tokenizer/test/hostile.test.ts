/**
 * Damaged vocabulary files and texts made to be slow. CRIA_HEAVY=1 makes it ten thousand files and
 * texts of 1 to 10 MB. Times are shown, never asserted.
 */
import { describe, expect, it } from 'vitest';
import {
  parseTokenizer,
  SentencePieceTrainer,
  serializeTokenizer,
  type ByteLevelTokenizer,
  type SentencePieceTokenizer,
} from '../src/index.ts';
import { haveShared, LLAMA2, LLAMA3, sharedBytes, modelFolders } from './files.ts';
import { trainedBytes, trainedPieces } from './trained.ts';

const heavy = process.env['CRIA_HEAVY'] === '1';

function randomNumbers(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    return Math.floor((Math.imul(state ^ (state >>> 12), 0x297a2d39) >>> 0) * (below / 2 ** 32));
  };
}

function damaged(file: Uint8Array, random: (below: number) => number): Uint8Array {
  const bytes = file.slice();
  // headers and lengths are hit as often as the rest
  const front = Math.min(bytes.length, random(2) === 0 ? 96 : bytes.length);
  switch (random(6)) {
    case 0:
      return bytes.subarray(0, random(bytes.length));
    case 1:
    case 2:
      for (let n = 1 + random(8); n > 0; n--) bytes[random(front)] ^= 1 << random(8);
      return bytes;
    case 3:
      for (let n = 1 + random(4); n > 0; n--) bytes[random(front)] = [0, 0xff, 0x7f, 0x80][random(4)];
      return bytes;
    case 4: {
      const at = random(front);
      return Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + 1 + random(64))]);
    }
    default: {
      const at = random(bytes.length);
      const piece = bytes.slice(at, at + 1 + random(200));
      bytes.set(piece.subarray(0, bytes.length), Math.min(random(front), bytes.length - piece.length));
      return bytes;
    }
  }
}

/** Small files of every format, so that ten thousand of them are read in a minute. */
function files(): Map<string, Uint8Array> {
  const trainer = new SentencePieceTrainer({ vocabSize: 320, userDefinedSymbols: ['<tool>'] });
  trainer.add('the llama and the alpaca met 7 other llamas in größe, at the river\n'.repeat(9));
  const trained = trainer.finish();
  const all = new Map<string, Uint8Array>();
  const put = (
    tokenizer: SentencePieceTokenizer | ByteLevelTokenizer,
    ...formats: ('sentencepiece' | 'gguf' | 'tokenizer.json' | 'llama2c' | 'tiktoken')[]
  ): void => {
    for (const format of formats)
      all.set(`${format} ${all.size}`, [...serializeTokenizer(tokenizer, format).values()][0]);
  };
  put(trained, 'sentencepiece'); // llama.cpp puts a space behind user-defined pieces: no GGUF gives the same ids
  const ranks = Array.from({ length: 256 }, (_, byte) => `${btoa(String.fromCharCode(byte))} ${byte}\n`);
  const merged = ['th', 'the', ' t', ' the', 'in', 'ing', '  '].map(
    (text, i) => `${btoa(text)} ${256 + i}\n`,
  );
  put(
    parseTokenizer(new TextEncoder().encode([...ranks, ...merged].join(''))),
    'tiktoken',
    'gguf',
    'tokenizer.json',
  );
  put(trainedPieces(), 'llama2c', 'tokenizer.json', 'gguf');
  const [folder] = modelFolders();
  if (folder !== undefined) {
    for (const name of ['tokenizer.model', 'tokenizer.json', 'tokenizer.legacy.json'])
      all.set(`fixture ${name}`, sharedBytes(`${folder}/${name}`));
    put(parseTokenizer(sharedBytes(`${folder}/tokenizer.model`)), 'llama2c', 'gguf');
  }
  if (haveShared('data/models/tok512.bin')) {
    const tok512 = sharedBytes('data/models/tok512.bin');
    all.set('tok512', tok512);
    put(parseTokenizer(tok512), 'tokenizer.json');
  }
  return all;
}

const TEXT = 'The llama  said: "größe" 🦙\n\t123 <tool></s><|eot_id|> ▁x\0 日本語 zzzzzzzzzzzz';

function useAll(tokenizer: SentencePieceTokenizer | ByteLevelTokenizer): void {
  const ids = tokenizer.encode(TEXT, { allowedSpecial: 'all' });
  for (const id of ids)
    if (!(id >= 0 && id < tokenizer.vocabSize)) throw new TypeError(`id ${id} of ${tokenizer.vocabSize}`);
  tokenizer.decode(ids);
  tokenizer.encodeWithOffsets(TEXT);
  if (tokenizer.bosId !== undefined) tokenizer.decode(tokenizer.encode('x', { addBos: true }));
  const stream = tokenizer.decodeStream();
  for (let id = 0; id < tokenizer.vocabSize; id += 7) stream.push(id);
  stream.end();
}

describe('damaged vocabulary files', () => {
  it(`are refused with a clear error or work (${heavy ? 10_000 : 600} files)`, { timeout: 600_000 }, () => {
    const sources = [...files()];
    const random = randomNumbers(5);
    const total = heavy ? 10_000 : 600;
    let refused = 0;
    let largest = 0;
    for (let i = 0; i < total; i++) {
      const [name, file] = sources[i % sources.length];
      const bytes = damaged(file, random);
      try {
        useAll(parseTokenizer(bytes));
      } catch (error) {
        refused++;
        const { message, constructor } = error as Error;
        if (
          !/^\[\w+\] [^]+\. hint: [^]+$/.test(message) ||
          constructor === TypeError ||
          constructor === RangeError
        )
          throw new Error(`file ${i} (${name}): ${(error as Error).stack ?? message}`, { cause: error });
        expect(message.length, `file ${i} (${name}): ${message.slice(0, 200)}`).toBeLessThan(1500);
      }
      largest = Math.max(largest, process.memoryUsage.rss());
    }
    expect(refused).toBeGreaterThan(total / 5);
    expect(refused).toBeLessThan(total);
    expect(largest).toBeLessThan(1.5e9);
  });

  it('cannot claim more than they hold', () => {
    const gguf = (...parts: number[][]): Uint8Array =>
      Uint8Array.from([[0x47, 0x47, 0x55, 0x46, 3, 0, 0, 0], ...parts].flat());
    const huge = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
    const zero = [0, 0, 0, 0, 0, 0, 0, 0];
    expect(() => parseTokenizer(gguf(zero, huge))).toThrow(/^\[readGguf\]/);
    expect(() => parseTokenizer(gguf(huge, zero))).toThrow(/^\[readGguf\]/);
    expect(() => parseTokenizer(gguf(zero, [1, 0, 0, 0, 0, 0, 0, 0], huge))).toThrow(/^\[readGguf\]/);
    const ids = `{"model":{"type":"BPE","vocab":{"a":16000000},"merges":[]}}`;
    expect(() => parseTokenizer(new TextEncoder().encode(ids))).toThrow(
      'the id 16000000 in a vocabulary of 1',
    );
    expect(() => parseTokenizer(new TextEncoder().encode('YQ== 2000000000\n'))).toThrow('[readTiktoken]');
    const nested = `{"model":${'['.repeat(20_000)}${']'.repeat(20_000)}}`;
    expect(() => parseTokenizer(new TextEncoder().encode(nested))).toThrow(/^\[readTokenizerJson\]/);
  });
});

describe('texts made to be slow', () => {
  const vocabularies: [string, () => SentencePieceTokenizer | ByteLevelTokenizer][] = [
    ['trained pieces', trainedPieces],
    ['trained bytes', trainedBytes],
  ];
  for (const file of [LLAMA2, LLAMA3])
    if (haveShared(file)) vocabularies.push([file, () => parseTokenizer(sharedBytes(file))]);
  const shapes: Readonly<Record<string, (n: number) => string>> = {
    'one letter': (n) => 'a'.repeat(n),
    'no space': (n) => 'thequickbrownfoxjumpsoverthelazydog'.repeat(Math.ceil(n / 35)).slice(0, n),
    'spaces only': (n) => ' '.repeat(n),
    'line ends only': (n) => '\n'.repeat(n),
    'one unknown character': (n) => '\u{1f999}'.repeat(n / 4),
    'deep merge chain': (n) => '='.repeat(n - 1) + 'x',
  };

  it.each(vocabularies)('%s: near linear, and every text comes back', { timeout: 600_000 }, (name, make) => {
    const tokenizer = make();
    const sizes = heavy ? [1, 2, 4, 8, 10].map((mb) => mb * 1_000_000) : [20_000, 40_000];
    for (const [shape, repeat] of Object.entries(shapes)) {
      const times = sizes.map((n) => {
        const text = repeat(n);
        const start = performance.now();
        const ids = tokenizer.encode(text);
        const time = performance.now() - start;
        expect(tokenizer.decode(ids) === text).toBe(true);
        expect(tokenizer.countTokens(text)).toBe(ids.length);
        return time;
      });
      if (heavy)
        console.log(
          `${name} ${shape}: ${times.map((time, i) => `${sizes[i] / 1e6} MB ${time.toFixed(0)} ms`).join(', ')}`,
        );
    }
  });
});
