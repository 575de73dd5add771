import { describe, expect, it } from 'vitest';
import { readSentencePieceModel, SentencePieceTokenizer, writeSentencePieceModel } from '../src/index.ts';
import { definedPieces } from './definitions.ts';
import {
  haveShared,
  LLAMA2,
  publishedVectors,
  sameIds,
  sharedBytes,
  sharedJson,
  modelFolders,
} from './files.ts';
import { TEXTS, trainedPieces } from './trained.ts';

interface Encodings {
  readonly encode: readonly { readonly ids: number[]; readonly decoded: string }[];
  readonly decode: readonly { readonly ids: number[]; readonly decoded: string }[];
}

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

const models = [
  { name: 'llama2', file: LLAMA2, encodings: 'fixtures/tokenizer/llama2.json' },
  ...modelFolders().map((folder) => ({
    name: folder,
    file: `${folder}/tokenizer.model`,
    encodings: `${folder}/encodings.json`,
  })),
];

function load(file: string): SentencePieceTokenizer {
  return new SentencePieceTokenizer(readSentencePieceModel(sharedBytes(file)));
}

const STRINGS = 'fixtures/tokenizer/strings.json';
const strings = (): string[] => sharedJson<{ texts: string[] }>(STRINGS).texts;

for (const { name, file, encodings } of models)
  describe.skipIf(!haveShared(file, encodings, STRINGS))(`sentencepiece fixtures of ${name}`, () => {
    it('encodes, decodes and streams every case as sentencepiece does', () => {
      const tokenizer = load(file);
      const expected = sharedJson<Encodings>(encodings);
      const texts = strings();
      expect(expected.encode.length).toBe(texts.length);
      expected.encode.forEach(({ ids, decoded }, i) => {
        const got = tokenizer.encode(texts[i]);
        if (!sameIds(got, ids))
          expect(Array.from(got), JSON.stringify(texts[i].slice(0, 80))).toEqual(Array.from(ids));
        expect(tokenizer.decode(got)).toBe(decoded);
        expect(streamed(tokenizer, got)).toBe(decoded);
        expect(tokenizer.countTokens(texts[i])).toBe(ids.length);
      });
    });

    it('decodes ids that no encoder makes', () => {
      const tokenizer = load(file);
      for (const { ids, decoded } of sharedJson<Encodings>(encodings).decode) {
        expect(tokenizer.decode(ids), ids.join(' ')).toBe(decoded);
        expect(streamed(tokenizer, ids), ids.join(' ')).toBe(decoded);
      }
    });

    it('covers the whole text with offsets', () => expectOffsets(load(file), strings()));

    it('writes back the file it read, byte for byte', () => {
      const bytes = sharedBytes(file);
      expect(Buffer.compare(writeSentencePieceModel(readSentencePieceModel(bytes)), bytes)).toBe(0);
    });
  });

describe('a vocabulary that was trained here', () => {
  const tokenizer = trainedPieces();

  it('encodes as the definition says', () => {
    for (const text of TEXTS)
      expect(Array.from(tokenizer.encode(text)), JSON.stringify(text)).toEqual(
        definedPieces(tokenizer, text),
      );
  });

  it('covers the whole text with offsets', () => expectOffsets(tokenizer, TEXTS));

  it('is written and read byte for byte', () => {
    const bytes = writeSentencePieceModel(tokenizer.model);
    const back = readSentencePieceModel(bytes);
    expect(Buffer.compare(writeSentencePieceModel(back), bytes)).toBe(0);
    expect(new SentencePieceTokenizer(back).fingerprint).toBe(tokenizer.fingerprint);
  });

  it('names pieces', () => expectNames(tokenizer));
});

describe.skipIf(!haveShared(LLAMA2))('Llama 2', () => {
  it.skipIf(!haveShared('data/tokenizer/llama-spm.inp'))('gives the published vectors', () => {
    const tokenizer = load(LLAMA2);
    const vectors = publishedVectors('llama-spm');
    expect(vectors.length).toBeGreaterThan(0);
    for (const { text, ids } of vectors)
      if (!sameIds(tokenizer.encode(text), ids))
        expect(Array.from(tokenizer.encode(text))).toEqual(Array.from(ids));
  });

  it('gives the vectors that papers and tests document', () => {
    const tokenizer = load(LLAMA2);
    const ids = (text: string) => Array.from(tokenizer.encode(text, { addBos: true }));
    expect(ids('I believe the meaning of life is')).toEqual([1, 306, 4658, 278, 6593, 310, 2834, 338]);
    expect(ids('This is a test')).toEqual([1, 910, 338, 263, 1243]);
    expect(ids('Hey how are you doing')).toEqual([1, 18637, 920, 526, 366, 2599]);
    expect(Array.from(tokenizer.encode('', { addBos: true, addEos: true }))).toEqual([1, 2]);
    expect(Array.from(tokenizer.encode('a</s>b', { allowedSpecial: 'all' }))).toEqual([263, 2, 289]);
    expect(Array.from(tokenizer.encode('a</s>b', { allowedSpecial: ['<s>'] }))).toEqual(
      Array.from(tokenizer.encode('a</s>b')),
    );
  });

  it('names pieces', () => {
    const tokenizer = load(LLAMA2);
    expect(tokenizer.vocabSize).toBe(32000);
    expectNames(tokenizer);
    expect(Array.from(tokenizer.tokenBytes(13))).toEqual([10]);
  });
});

/** Tokens follow each other without a gap, and each covers the bytes that it stands for. */
function expectOffsets(tokenizer: SentencePieceTokenizer, texts: readonly string[]): void {
  for (const text of texts) {
    const bytes = new TextEncoder().encode(text);
    const { ids, byteStart, byteEnd, start, end } = tokenizer.encodeWithOffsets(text);
    expect(Array.from(ids)).toEqual(Array.from(tokenizer.encode(text)));
    let at = 0;
    ids.forEach((id, i) => {
      expect(byteStart[i]).toBe(at);
      at = byteEnd[i];
      const own = utf8.decode(tokenizer.tokenBytes(id));
      const there = utf8.decode(bytes.subarray(byteStart[i], byteEnd[i])).replaceAll('▁', ' ');
      if (i > 0) expect(there).toBe(own);
      expect(
        utf8.decode(bytes.subarray(0, byteStart[i])).startsWith(text.slice(0, start[i])),
        JSON.stringify(text),
      ).toBe(true);
      expect(end[i]).toBeGreaterThanOrEqual(start[i]);
    });
    expect(at).toBe(bytes.length);
  }
}

function expectNames(tokenizer: SentencePieceTokenizer): void {
  expect([tokenizer.unkId, tokenizer.bosId, tokenizer.eosId, tokenizer.padId]).toEqual([0, 1, 2, undefined]);
  for (let id = 0; id < tokenizer.vocabSize; id++)
    expect(tokenizer.pieceToId(tokenizer.idToPiece(id))).toBe(id);
  expect(tokenizer.pieceToId('no such piece')).toBeUndefined();
  expect(tokenizer.fingerprint).toMatch(/^[0-9a-f]{32}$/);
}

function streamed(tokenizer: SentencePieceTokenizer, ids: ArrayLike<number>): string {
  const stream = tokenizer.decodeStream();
  let text = '';
  for (let i = 0; i < ids.length; i++) {
    const part = stream.push(ids[i]);
    expect(part).not.toMatch(/[\ud800-\udfff]/u);
    text += part;
  }
  return text + stream.end();
}
