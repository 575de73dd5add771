import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import {
  detectFormat,
  GgufCutError,
  parseTokenizer,
  readGguf,
  readTokenizerJson,
  serializeTokenizer,
  type Tokenizer,
  type VocabularyFormat,
} from '../src/index.ts';
import { loadTokenizer, saveTokenizer } from '../src/node.ts';
import {
  GPT2,
  haveShared,
  LLAMA2,
  LLAMA3,
  modelFolders,
  publishedVectors,
  sameIds,
  sharedBytes,
  sharedJson,
  sharedText,
  sharedUrl,
} from './files.ts';
import { TEXTS, trainedBytes, trainedGpt2, trainedPieces } from './trained.ts';

const folder = mkdtempSync(join(tmpdir(), 'cria-tokenizer-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function expectVectors(tokenizer: Tokenizer, name: string): void {
  for (const { text, ids } of publishedVectors(name))
    if (!sameIds(tokenizer.encode(text), ids))
      expect(Array.from(tokenizer.encode(text)), JSON.stringify(text)).toEqual(Array.from(ids));
}

const LLAMA2_GGUF = 'data/tokenizer/llama-spm.vocab.gguf';
const TINY = 'data/models/llama-2-tiny-random.gguf';
const TOK512 = 'data/models/tok512.bin';
const STORIES = 'data/models/stories260K.bin';
const GREEDY = 'data/models/stories260K.greedy200.txt';
const STRINGS = 'fixtures/tokenizer/strings.json';
const strings = (): string[] => sharedJson<{ texts: string[] }>(STRINGS).texts;

/**
 * Writes a format, reads it back without saying which it is, and expects the same ids for every
 * text.
 */
async function expectRoundTrip(
  original: Tokenizer,
  format: VocabularyFormat,
  texts: readonly string[],
): Promise<Tokenizer> {
  const path = join(folder, `${original.fingerprint}.${format}`);
  await saveTokenizer(path, original, { format });
  expect(detectFormat(new Uint8Array(readFileSync(path)))).toBe(format);
  const copy = await loadTokenizer(path);
  expect(copy.fingerprint).toBe(original.fingerprint);
  expect([copy.bosId, copy.eosId, copy.vocabSize]).toEqual([
    original.bosId,
    original.eosId,
    original.vocabSize,
  ]);
  for (const text of texts)
    if (!sameIds(copy.encode(text), original.encode(text)))
      expect(Array.from(copy.encode(text))).toEqual(Array.from(original.encode(text)));
  return copy;
}

function expectRefusals(pieces: Tokenizer, bytes: Tokenizer, gpt2: Tokenizer): void {
  expect(() => serializeTokenizer(pieces, 'tiktoken')).toThrow('has no byte ranks');
  expect(() => serializeTokenizer(bytes, 'sentencepiece')).toThrow('has no pieces');
  expect(() => serializeTokenizer(gpt2, 'tiktoken')).toThrow('would not give the same ids');
}

const PIECE_FORMATS: readonly VocabularyFormat[] = ['sentencepiece', 'tokenizer.json', 'gguf', 'llama2c'];
const BYTE_FORMATS: readonly VocabularyFormat[] = ['tiktoken', 'tokenizer.json', 'gguf'];

describe('formats of vocabularies that were trained here', () => {
  it.each(PIECE_FORMATS)('pieces come back from %s', async (format) => {
    await expectRoundTrip(trainedPieces(), format, TEXTS);
  });

  it.each(BYTE_FORMATS)('byte tokens come back from %s', async (format) => {
    await expectRoundTrip(trainedBytes(), format, TEXTS);
  });

  it('are refused where something would be lost, with the reason', () => {
    expectRefusals(trainedPieces(), trainedBytes(), trainedGpt2());
  });

  it('are cut where a file is', () => {
    const [gguf] = [...serializeTokenizer(trainedPieces(), 'gguf').values()];
    expect(() => readGguf(gguf.subarray(0, 5000))).toThrow(GgufCutError);
  });
});

describe('formats', () => {
  it.skipIf(!haveShared(LLAMA2_GGUF, GPT2, TINY, STRINGS))('reads GGUF vocabularies', () => {
    expectVectors(parseTokenizer(sharedBytes(LLAMA2_GGUF)), 'llama-spm');
    const gpt2 = parseTokenizer(sharedBytes(GPT2));
    expectVectors(gpt2, 'gpt2');
    for (const text of strings()) expect(gpt2.decode(gpt2.encode(text))).toBe(text);
    const header = readGguf(sharedBytes(TINY));
    expect(header.tensors.length).toBeGreaterThan(0);
    expect(header.metadata.get('general.architecture')?.value).toBe('llama');
    expect(() => readGguf(sharedBytes(GPT2).subarray(0, 5000))).toThrow(GgufCutError);
  });

  it.skipIf(!haveShared(TOK512, GREEDY, STORIES))('reads the llama2.c tokenizer of a model', () => {
    const tokenizer = parseTokenizer(sharedBytes(TOK512));
    const header = sharedBytes(STORIES);
    const vocabSize = new DataView(header.buffer, header.byteOffset).getInt32(20, true);
    expect(tokenizer.vocabSize).toBe(Math.abs(vocabSize)); // negative where the output is not tied
    expect([tokenizer.bosId, tokenizer.eosId]).toEqual([1, 2]);
    const text = sharedText(GREEDY);
    const ids = tokenizer.encode(text);
    expect(tokenizer.decode(ids)).toBe(text);
    expect(ids.length).toBeLessThan(text.length / 2); // words of its own language, not bytes
  });

  const origins = [
    { file: LLAMA2, vectors: 'llama-spm', formats: PIECE_FORMATS },
    { file: LLAMA3, vectors: 'llama3-bpe', formats: BYTE_FORMATS },
    { file: GPT2, vectors: 'gpt2', formats: ['tokenizer.json', 'gguf'] },
  ] as const;
  for (const { file, vectors, formats } of origins)
    it.skipIf(!haveShared(file, `data/tokenizer/${vectors}.inp`, STRINGS)).each(formats)(
      `${file} as %s gives the published vectors`,
      async (format) => {
        const original = await loadTokenizer(fileURLToPath(sharedUrl(file)));
        expectVectors(await expectRoundTrip(original, format, strings()), vectors);
      },
    );

  it.skipIf(!haveShared(LLAMA2, LLAMA3, GPT2))(
    'refuses conversions that would lose something, with the reason',
    () => {
      const [llama, llama3, gpt2] = [LLAMA2, LLAMA3, GPT2].map((file) => parseTokenizer(sharedBytes(file)));
      expectRefusals(llama, llama3, gpt2);
    },
  );

  interface Difference {
    readonly index: number;
    readonly why: string;
    readonly ids: number[];
  }
  type Hf = Record<
    'tokenizer.json' | 'tokenizer.legacy.json',
    { readonly differs_from_sentencepiece: readonly Difference[] }
  >;

  for (const path of modelFolders().filter((folder) => haveShared(`${folder}/hf.json`))) {
    describe.skipIf(!haveShared(STRINGS))(`${path} as Hugging Face wrote it`, () => {
      it.each(['tokenizer.json', 'tokenizer.legacy.json'] as const)(
        '%s encodes as Hugging Face does',
        (file) => {
          const texts = strings();
          const tokenizer = readTokenizerJson(sharedText(`${path}/${file}`));
          const { encode } = sharedJson<{ encode: { ids: number[]; decoded: string }[] }>(
            `${path}/encodings.json`,
          );
          const differences = new Map(
            sharedJson<Hf>(`${path}/hf.json`)[file].differs_from_sentencepiece.map((item) => [
              item.index,
              item,
            ]),
          );
          texts.forEach((text, i) => {
            const ids = differences.get(i)?.ids ?? encode[i]?.ids ?? [];
            if (!sameIds(tokenizer.encode(text, { allowedSpecial: 'all' }), ids))
              expect(
                Array.from(tokenizer.encode(text, { allowedSpecial: 'all' })),
                JSON.stringify(text),
              ).toEqual(Array.from(ids));
          });
        },
      );

      it('has one fingerprint as model and as legacy tokenizer.json, another as Metaspace', () => {
        const model = parseTokenizer(sharedBytes(`${path}/tokenizer.model`));
        expect(readTokenizerJson(sharedText(`${path}/tokenizer.legacy.json`)).fingerprint).toBe(
          model.fingerprint,
        );
        expect(readTokenizerJson(sharedText(`${path}/tokenizer.json`)).fingerprint).not.toBe(
          model.fingerprint,
        );
      });
    });
  }

  it.skipIf(!haveShared(LLAMA2_GGUF, LLAMA2))(
    'gives the same fingerprint for GGUF and tokenizer.model',
    () => {
      const gguf = parseTokenizer(sharedBytes(LLAMA2_GGUF));
      expect(gguf.fingerprint).toBe(parseTokenizer(sharedBytes(LLAMA2)).fingerprint);
    },
  );
});

describe('unknown files', () => {
  it('are named with their first bytes', async () => {
    expect(() => parseTokenizer(new Uint8Array())).toThrow('this is an empty file');
    expect(() => parseTokenizer(Uint8Array.of(1, 2, 3, 4, 5))).toThrow('01 02 03 04 05');
    const path = join(folder, 'noise.model');
    writeFileSync(path, '\u0000\u0001 no vocabulary');
    await expect(loadTokenizer(path)).rejects.toThrow('noise.model');
    await expect(loadTokenizer(join(folder, 'absent'))).rejects.toThrow('there is no file or folder');
    await expect(loadTokenizer(folder)).rejects.toThrow('holds no vocabulary');
  });
});
